// What is on the page from the start: who is signed in, and what each button does.
import { bindKeys } from './keys.js'
import { make, refuseHeldKeys } from './dialogs.js'
import { showAudit, showPeople } from './people.js'

const el = (id) => document.getElementById(id)

export function showStudy({ study, user, role }) {
  document.title = `${study.name} – askance`
  el('study').textContent = study.name
  el('who').textContent = `${user} (${role})`
  el('instructions').textContent = study.instructions
  el('instructions-title').hidden = !study.instructions
  for (const id of ['mode-review', 'show-readers']) el(id).hidden = role === 'expert'
  for (const id of ['show-people', 'show-audit']) el(id).hidden = role !== 'admin'
  el('channel-label').hidden = study.channels.length < 2
  el('channel').replaceChildren(...study.channels.map((name, k) => make('option', { value: k }, name)))
}

export function bindPage(page) {
  const { drawing, settling } = page
  const fail = (error) => page.fail(error)
  const deeds = {
    submit: () => page.submit(), accept: () => page.accept(), skip: () => page.setAside('skipped'),
    unreadable: () => page.setAside('unreadable'), 'review-accept': () => page.accept(), 'review-correct': () => page.submit(),
    undo: () => drawing.undo(), redo: () => drawing.redo(), 'copy-below': () => drawing.copyBelow(),
    interpolate: () => page.interpolate(), 'show-help': () => page.showHelp(), 'show-mine': () => page.showMine(),
    'show-readers': () => settling.list(), 'show-people': () => showPeople(page.me.user, fail), 'show-audit': () => showAudit(fail),
    'mode-work': () => page.setMode('work'), 'mode-review': () => page.setMode('review'),
  }
  for (const [id, deed] of Object.entries(deeds)) el(id).addEventListener('click', () => Promise.resolve(deed()).catch(fail))
  el('brush-size').addEventListener('input', () => page.setSize(Number(el('brush-size').value)))
  el('channel').addEventListener('change', () => {
    el('layer').focus({ preventScroll: true }) // the next key is for the picture
    page.setChannel(Number(el('channel').value)).catch(fail)
  })
  document.addEventListener('click', backToDrawing)
  el('dialog').addEventListener('close', afterDialog)
  bindKeys(page)
  refuseHeldKeys()
}

let isMousesDialog = false

/** A button pressed with the mouse gives the focus back, so that Enter submits; one pressed by key keeps it. */
function backToDrawing(event) {
  if (!event.detail || !event.target.closest('#tools button, footer button, nav button, summary')) return
  isMousesDialog = el('dialog').open
  if (!isMousesDialog) el('layer').focus({ preventScroll: true })
}

function afterDialog() {
  if (el('dialog').open) return
  if (isMousesDialog) el('layer').focus({ preventScroll: true })
  isMousesDialog = false
}
