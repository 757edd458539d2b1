// Questions and lists that stand over the page. Text only: nothing that comes from elsewhere is taken as HTML.

/** An element with attributes and children. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children.filter((one) => one !== null))
  return element
}

const dialog = () => document.getElementById('dialog')

/** A key that is held answers no question: the browser would press the button that has the focus again and again. */
export function refuseHeldKeys() {
  dialog().addEventListener('keydown', (event) => {
    if (event.repeat && event.key === 'Enter') event.preventDefault()
  }, { capture: true })
}

let dismiss = () => {}

/** Show `content` with buttons [text, value, is main, whether it may close]; gives back the chosen value, null for Escape. */
export function ask(title, content, buttons, look = '') {
  const box = dialog()
  dismiss()
  if (box.open) box.close()
  box.className = look
  return new Promise((resolve) => {
    dismiss = () => resolve(null)
    const choose = (value, mayClose) => () => {
      if (mayClose && !mayClose()) return
      box.returnValue = ''
      resolve(value)
      box.close()
    }
    const row = make('div', { class: 'buttons' })
    for (const [text, value, main, mayClose] of buttons) {
      row.append(make('button', { class: main ? 'main' : null, autofocus: main ?? false, onclick: choose(value, mayClose) }, text))
    }
    box.replaceChildren(make('h2', { id: 'dialog-title' }, title), ...[content].flat(), row)
    // The event comes some time after the dialog was closed: it may be the last question's, while this one stands open.
    box.onclose = () => { if (!box.open) resolve(null) }
    box.showModal()
  })
}

/** A reason, typed or picked; null where it was not given. */
export async function askReason(title, usual) {
  const input = make('input', { type: 'text', id: 'reason', maxlength: 500, 'aria-label': 'Reason', list: 'usual', autofocus: true })
  const list = make('datalist', { id: 'usual' }, ...usual.map((one) => make('option', { value: one })))
  const picks = make('div', { class: 'row' }, ...usual.map((one) => make('button', { onclick: () => { input.value = one } }, one)))
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') dialog().querySelector('button.main').click()
  })
  const missing = make('p', { class: 'warn', role: 'alert' })
  const label = make('label', { for: 'reason' }, 'Reason')
  const isGiven = () => {
    if (input.value.trim()) return true
    missing.textContent = 'Give a reason, in a word or two.'
    input.focus()
    return false
  }
  const chosen = await ask(title, [picks, label, input, list, missing], [['Cancel', false], [title, true, true, isGiven]])
  return chosen ? input.value.trim() : null
}

const HELP = [
  ['Enter', 'submit (or close the polygon)'],
  ['A', 'the proposal is right as it is; in review: accept'],
  ['S, U', 'skip with a reason, flag as unreadable'],
  ['L', 'my earlier answers: go back and change one'],
  ['1 … 9', 'class to draw'],
  ['B, E, F, G', 'brush, eraser, fill, polygon (Escape drops its corners)'],
  ['[ and ]', 'smaller, larger brush'],
  ['Ctrl+Z, Ctrl+Y', 'undo, redo'],
  ['C', 'copy from the slice below'],
  ['I', 'interpolate between the nearest labels below and above'],
  ['H', 'hide and show the labels'],
  ['R', 'score map in red: where the model is unsure'],
  ['P', 'the other two planes'],
  ['Arrow up, down; wheel', 'neighbouring slices'],
  ['X', 'back to the slice in question'],
  ['+ − 0; Ctrl+wheel', 'zoom in, out, reset'],
  ['Shift+arrows; Shift+drag', 'move the picture'],
  ['Ctrl+arrows; right drag', 'window and level'],
  ['1, 2, 3', 'when settling: reader 1, reader 2, difference'],
  ['?', 'this sheet'],
]

export function help() {
  const rows = HELP.map(([key, what]) => make('tr', {}, make('td', {}, key), make('td', {}, what)))
  const licences = make('a', { href: '/assets/vendor/LICENSES.txt', target: '_blank', rel: 'noopener' }, 'Licences of what this page brings along')
  const table = make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Keys' }, make('table', {}, make('tbody', {}, ...rows)))
  return ask('Keys', [table, make('p', { class: 'small' }, licences)], [['Close', true, true]])
}
