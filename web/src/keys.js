// Every key of the page. Words that are typed into a field, or into a dialog, are left alone.

const STEP = 30

/** Bind keys to `page`, which has a method for each deed. */
export function bindKeys(page) {
  const { drawing, viewer } = page
  const tools = { b: 'brush', e: 'eraser', f: 'fill', g: 'polygon' }
  const deeds = {
    Enter: () => (drawing.points.length ? drawing.closePolygon() : page.submit()),
    a: () => page.accept(),
    s: () => page.setAside('skipped'),
    u: () => page.setAside('unreadable'),
    l: () => page.showMine(),
    c: () => drawing.copyBelow(),
    i: () => page.interpolate(),
    h: () => page.toggle('hide'),
    r: () => page.toggle('doubt'),
    p: () => page.toggle('planes'),
    x: () => page.goTo(viewer.place),
    '?': () => page.showHelp(),
    '[': () => page.setSize(drawing.size - 1),
    ']': () => page.setSize(drawing.size + 1),
    '+': () => viewer.zoom(1.2),
    '=': () => viewer.zoom(1.2),
    '-': () => viewer.zoom(1 / 1.2),
    0: () => page.resetLook(),
    ArrowUp: () => page.goTo(viewer.current + 1),
    ArrowDown: () => page.goTo(viewer.current - 1),
  }
  const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }

  document.addEventListener('keydown', (event) => {
    if (document.getElementById('dialog').open || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return
    const arrow = arrows[event.key]
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    let deed = deeds[key]
    if (event.ctrlKey || event.metaKey) {
      deed = { z: () => (event.shiftKey ? drawing.redo() : drawing.undo()), y: () => drawing.redo() }[key]
      if (arrow) deed = () => page.changeWindow(arrow[0] * 10, arrow[1] * 10)
    } else if (event.shiftKey && arrow) deed = () => viewer.pan(arrow[0] * STEP, arrow[1] * STEP)
    else if (tools[key]) deed = () => page.setTool(tools[key])
    else if (/^[1-9]$/.test(key)) deed = () => page.setClass(Number(key) - 1)
    else if (event.key === 'Enter' && event.target.tagName === 'BUTTON') return
    if (!deed) return
    event.preventDefault()
    if (viewer.shape || ['?', 'l'].includes(key)) deed()
  })
  bindMouse(page)
}

function bindMouse(page) {
  const { viewer, drawing } = page
  let last = null
  drawing.layer.addEventListener('wheel', (event) => {
    event.preventDefault()
    if (!viewer.shape) return
    if (event.ctrlKey) viewer.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1)
    else page.goTo(viewer.current + (event.deltaY < 0 ? 1 : -1))
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
    if (last.button === 2) page.changeWindow(dx, dy)
    else viewer.pan(dx, dy)
    last = { clientX: event.clientX, clientY: event.clientY, button: last.button }
  })
  for (const name of ['pointerup', 'pointercancel']) drawing.layer.addEventListener(name, () => { last = null })
}
