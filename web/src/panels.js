// What stands beside the slice: tools, legend, why it was asked, progress, the training. Elements stay; only what they say
// changes, so that the keyboard's focus is not lost every few seconds.
import { post, text } from './api.js'
import { drawCurve } from './curve.js'
import { ask, make } from './dialogs.js'
import { TOOLS } from './drawing.js'

const el = (id) => document.getElementById(id)
const ENDED = ['done', 'waiting', 'failed', 'cancelled']

/** Make the buttons of tools and classes, once. */
export function buildTools(classes, page) {
  el('tool-buttons').replaceChildren(...TOOLS.map(({ id, name, key }) =>
    make('button', { id: `tool-${id}`, title: `Key ${key.toUpperCase()}`, onclick: () => page.setTool(id) }, name, make('kbd', {}, key.toUpperCase()))))
  el('legend').replaceChildren(...classes.map((one, k) =>
    make('button', { role: 'radio', id: `class-${one.id}`, onclick: () => page.setClass(k) },
      swatch(one.colour), one.name.replaceAll('_', ' '), k < 9 ? make('kbd', {}, String(k + 1)) : null)))
}

function swatch(colour) {
  const box = make('span', { class: 'swatch' })
  box.style.background = colour
  return box
}

export function showTools(classes, drawing, mmPerPixel) {
  for (const { id } of TOOLS) el(`tool-${id}`).setAttribute('aria-pressed', String(drawing.tool === id))
  for (const { id } of classes) el(`class-${id}`).setAttribute('aria-checked', String(drawing.label === id))
  el('brush-size').value = drawing.size
  el('brush-size-shown').textContent = mmPerPixel ? `${drawing.size} px, ${(drawing.size * mmPerPixel).toFixed(1)} mm` : `${drawing.size} px`
  el('undo').disabled = !drawing.past.length && !drawing.points.length
  el('redo').disabled = !drawing.future.length
}

const PURPOSES = { second: 'Two people read this slice: you do not see the other’s answer.', review: 'Review of another person’s answer.' }

export function showWhy(header) {
  const asked = header.asked
  const lines = [asked ? asked.reason : 'Not asked.']
  if (asked?.role === 'validation') lines.push('Asked without a proposal: it measures how good the model is. Draw it from nothing.')
  else if (!header.assisted && header.purpose !== 'review') lines.push('There is no proposal yet: draw it from nothing.')
  if (header.version) lines.push(`Version ${header.version} stands.`)
  if (PURPOSES[header.purpose]) lines.push(PURPOSES[header.purpose])
  el('why').textContent = lines.join('\n')
}

/** Progress of the query and of the study. */
export function showProgress(told) {
  const seconds = told.seconds_per_slice
  const { mean, n, open } = told.agreement
  const { skipped = 0, unreadable = 0 } = told.counts
  const rows = [
    ['Left in this query', `${told.left} of ${told.asked}`],
    ['Waiting for review', String(Math.max(0, told.open - told.left))],
    ...(skipped + unreadable ? [['Skipped, unreadable', `${skipped}, ${unreadable}`]] : []),
    ['Done by me', String(told.mine)],
    ['Time per slice', seconds === null ? '–' : `${Math.round(seconds)} s`],
    ['Time left', seconds === null ? '–' : `${Math.ceil((seconds * told.left) / 60)} min`],
    ['Labelled', `${told.budget.labelled} of ${told.budget.slices} slices`],
    ...(n ? [['Dice between readers', `${mean.toFixed(2)} (${n} ${n === 1 ? 'slice' : 'slices'})`]] : []),
    ...(open ? [['Readers disagree on', `${open} ${open === 1 ? 'slice' : 'slices'}`]] : []),
  ]
  const body = rows.map(([name, value]) => make('tr', {}, make('td', {}, name), make('td', {}, value)))
  const { sentence, verdict, how } = told.advice
  el('progress').replaceChildren(
    make('progress', { max: told.asked || 1, value: told.asked - told.left, 'aria-label': 'Answered in this query' }),
    make('table', {}, make('tbody', {}, ...body)),
    ...(told.curve.length ? [make('p', { id: 'curve-title' }, 'Dice over labelled slices'), drawCurve(told.curve)] : []),
    make('p', { id: 'advice', class: verdict.replace(' ', '-') }, sentence),
  )
  el('advice-how').hidden = !how
  el('advice-how').lastElementChild.textContent = how
}

/** The training under way; `role` decides on what can be started. */
export function showTraining(told, role) {
  const job = told.job
  const running = Boolean(job) && !ENDED.includes(job.state)
  const isAdmin = role === 'admin'
  el('training').hidden = !job && !isAdmin
  el('job-state').hidden = !job
  el('job-progress').hidden = !(job?.state === 'running' && job.progress.total)
  if (job) describeJob(job)
  el('start-job').hidden = !isAdmin || running
  el('start-job').disabled = told.open > 0
  el('start-when').hidden = !isAdmin || running || told.open === 0
  el('cancel-job').hidden = !isAdmin || !running
  el('job-log').hidden = !isAdmin || !job
}

/** Bind the admin's buttons; `job()` is the newest one, `refresh` tells what became of it. */
export function bindTraining(job, refresh, fail) {
  el('start-job').addEventListener('click', () => post('jobs').then(refresh, fail))
  el('cancel-job').addEventListener('click', () => post(`jobs/${job().id}/cancel`).then(refresh, fail))
  el('job-log').addEventListener('click', () => showLog(job().id).catch(fail))
}

function describeJob(job) {
  const { cycle, stage, done, total } = job.progress
  const words = { queued: 'is about to start', running: `runs: ${stage ?? 'starting'}`, done: 'is done: the loop is at its end',
    waiting: 'is done: the next slices are ready', failed: `failed: ${job.message}`, cancelled: 'was cancelled' }
  const line = `${cycle === undefined ? 'The job' : `Cycle ${cycle}`} ${words[job.state]}`
  if (el('job-state').textContent !== line) el('job-state').textContent = line
  el('job-state').className = job.state === 'failed' ? 'warn' : ''
  el('job-progress').max = total ?? 1
  el('job-progress').value = done ?? 0
}

async function showLog(id) {
  const words = await text(`jobs/${id}/log`)
  await ask('Log of the training', make('pre', { tabindex: 0 }, words || 'Nothing yet.'), [['Close', true, true]])
}
