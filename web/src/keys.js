// Every key of the page. Words that are typed into a field, or into a dialog, are left alone.

const STEP = 30

// A held key does these once: what it would hand in next nobody has looked at.
const ONCE = ['Enter', 'a', 's', 'u']

const RANGE_KEYS = /^(Arrow|Home|End|Page)/

/** Whether what is typed belongs to a field or a dialog. A slider keeps its arrows only. */
function isTyped(event) {
  if (document.getElementById('dialog').open) return true
  if (event.target.type === 'range') return RANGE_KEYS.test(event.key) && !event.ctrlKey && !event.shiftKey
  return /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)
}

/** Bind keys to `page`, which has a method for each deed. */
export function bindKeys(page) {
  const { drawing, viewer, looks } = page
  const tools = { b: 'brush', e: 'eraser', f: 'fill', g: 'polygon' }
  const deeds = {
    Enter: () => (drawing.points.length ? drawing.closePolygon() : page.submit()),
    Escape: () => drawing.dropPolygon(),
    a: () => page.accept(),
    s: () => page.setAside('skipped'),
    u: () => page.setAside('unreadable'),
    l: () => page.showMine(),
    c: () => drawing.copyBelow(),
    i: () => page.interpolate(),
    h: () => looks.toggle('hide'),
    r: () => looks.toggle('doubt'),
    p: () => looks.toggle('planes'),
    x: () => looks.goTo(viewer.place),
    '?': () => page.showHelp(),
    '[': () => page.setSize(drawing.size - 1),
    ']': () => page.setSize(drawing.size + 1),
    '+': () => looks.zoom(1.2),
    '=': () => looks.zoom(1.2),
    '-': () => looks.zoom(1 / 1.2),
    0: () => looks.reset(),
    ArrowUp: () => looks.goTo(viewer.current + 1),
    ArrowDown: () => looks.goTo(viewer.current - 1),
  }
  const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }

  document.addEventListener('keydown', (event) => {
    if (isTyped(event) || event.altKey) return
    const arrow = arrows[event.key]
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    let deed = deeds[key]
    if (event.ctrlKey || event.metaKey) {
      deed = { z: () => (event.shiftKey ? drawing.redo() : drawing.undo()), y: () => drawing.redo() }[key]
      if (arrow) deed = () => looks.changeWindow(arrow[0] * 10, arrow[1] * 10)
    } else if (event.shiftKey && arrow) deed = () => viewer.pan(arrow[0] * STEP, arrow[1] * STEP)
    else if (tools[key]) deed = () => page.setTool(tools[key])
    else if (page.mode === 'settle' && /^[1-3]$/.test(key)) deed = () => page.settling.look(['first', 'second', 'difference'][Number(key) - 1])
    else if (/^[1-9]$/.test(key)) deed = () => page.setClass(Number(key) - 1)
    else if (event.key === 'Enter' && /^(BUTTON|SUMMARY|A)$/.test(event.target.tagName)) return
    if (!deed) return
    event.preventDefault()
    if (event.repeat && ONCE.includes(key)) return
    if (viewer.shape || ['?', 'l'].includes(key)) new Promise((resolve) => resolve(deed())).catch((error) => page.fail(error))
  })
  bindMouse(page)
}

function bindMouse(page) {
  const { viewer, drawing, looks } = page
  let last = null
  drawing.layer.addEventListener('wheel', (event) => {
    event.preventDefault()
    if (!viewer.shape) return
    if (event.ctrlKey) looks.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1, event)
    else looks.goTo(viewer.current + (event.deltaY < 0 ? 1 : -1))
  }, { passive: false })
  drawing.layer.addEventListener('pointerdown', (event) => {
    if (event.button === 2 || event.button === 1 || event.shiftKey) {
      last = event
      drawing.layer.setPointerCapture(event.pointerId)
    }
  })
  drawing.layer.addEventListener('pointermove', (event) => {
    if (!last || !viewer.shape) return
    const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY]
    if (last.button === 2) looks.changeWindow(dx, dy)
    else viewer.pan(dx, dy)
    last = { clientX: event.clientX, clientY: event.clientY, button: last.button }
  })
  for (const name of ['pointerup', 'pointercancel']) drawing.layer.addEventListener(name, () => { last = null })
}
