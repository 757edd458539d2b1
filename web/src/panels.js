// What stands beside the slice: tools, legend, why it was asked, progress, what an admin may do.
import { get, post, text } from './api.js'
import { ask, make } from './dialogs.js'
import { TOOLS } from './drawing.js'

const el = (id) => document.getElementById(id)
const ENDED = ['done', 'waiting', 'failed', 'cancelled']

export function showTools(drawing, redraw) {
  const buttons = TOOLS.map(({ id, name, key }) =>
    make('button', { id: `tool-${id}`, 'aria-pressed': String(drawing.tool === id), title: `Key ${key.toUpperCase()}`,
      onclick: () => { drawing.tool = id; redraw() } }, name, make('kbd', {}, key.toUpperCase())))
  el('tool-buttons').replaceChildren(...buttons)
  el('brush-size').value = drawing.size
  el('brush-size-shown').textContent = drawing.size
}

export function showLegend(classes, drawing, redraw) {
  const choices = classes.map((one, k) =>
    make('button', { role: 'radio', 'aria-checked': String(drawing.label === one.id), id: `class-${one.id}`,
      onclick: () => { drawing.label = one.id; if (drawing.tool === 'eraser') drawing.tool = 'brush'; redraw() } },
    swatch(one.colour), one.name, k < 9 ? make('kbd', {}, String(k + 1)) : null))
  el('legend').replaceChildren(...choices)
}

function swatch(colour) {
  const box = make('span', { class: 'swatch' })
  box.style.background = colour
  return box
}

const PURPOSES = { second: 'Second reading: you do not see the first reader’s answer.', review: 'Review of another person’s answer.' }

export function showWhy(header) {
  const asked = header.asked
  const lines = [asked ? asked.reason : 'Not asked.']
  if (asked?.role === 'validation') lines.push('Asked without a proposal: it measures how good the model is. Draw it from nothing.')
  else if (!header.assisted) lines.push('There is no proposal yet: draw it from nothing.')
  if (header.version) lines.push(`Version ${header.version} stands.`)
  if (PURPOSES[header.purpose]) lines.push(PURPOSES[header.purpose])
  el('why').textContent = lines.join('\n')
}

/** Progress of the query and of the study; `role` decides on what can be started. */
export function showProgress(told, role, refresh) {
  const seconds = told.seconds_per_slice
  const rows = [
    ['Left in this query', `${told.left} of ${told.asked}`],
    ['Waiting for review', String(Math.max(0, told.open - told.left))],
    ['Done by me', String(told.mine)],
    ['Time per slice', seconds === null ? '–' : `${Math.round(seconds)} s`],
    ['Time left', seconds === null ? '–' : `${Math.ceil((seconds * told.left) / 60)} min`],
    ['Labelled', `${told.budget.labelled} of ${told.budget.slices} slices`],
  ]
  const body = rows.map(([name, value]) => make('tr', {}, make('td', {}, name), make('td', {}, value)))
  const curve = told.curve.filter((point) => point.dice !== null)
  el('progress').replaceChildren(
    make('progress', { max: told.asked || 1, value: told.asked - told.left, 'aria-label': 'Answered in this query' }),
    make('table', {}, make('tbody', {}, ...body)),
    ...(curve.length ? [drawCurve(curve)] : []),
    make('p', { id: 'advice' }, told.advice.sentence),
  )
  showAdmin(told, role, refresh)
}

function drawCurve(points) {
  const ns = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(ns, 'svg')
  const words = points.map((one) => `${one.labelled} slices: ${one.dice.toFixed(3)}`).join(', ')
  const [low, high] = [Math.min(...points.map((one) => one.dice)) - 0.02, Math.max(...points.map((one) => one.dice)) + 0.02]
  const [first, last] = [points[0].labelled, Math.max(points.at(-1).labelled, points[0].labelled + 1)]
  const at = (one) => [30 + (210 * (one.labelled - first)) / (last - first), 74 - (58 * (one.dice - low)) / (high - low)]
  const add = (name, attributes, words = '') => {
    const element = document.createElementNS(ns, name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    element.textContent = words
    svg.append(element)
  }
  svg.setAttribute('viewBox', '0 0 260 90')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `Dice over labelled slices. ${words}`)
  add('polyline', { points: points.map((one) => at(one).join(',')).join(' '), fill: 'none', stroke: '#6cb6ee', 'stroke-width': 2 })
  for (const one of points) {
    const [x, y] = at(one)
    add('circle', { cx: x, cy: y, r: 3, fill: '#6cb6ee' })
    add('text', { x: x - 10, y: y - 6, fill: '#eef1f3', 'font-size': 10 }, one.dice.toFixed(2))
    add('text', { x: x - 8, y: 86, fill: '#b3bec7', 'font-size': 9 }, String(one.labelled))
  }
  return svg
}

function showAdmin(told, role, refresh) {
  const job = told.job
  const running = job && !ENDED.includes(job.state)
  const parts = []
  if (job) parts.push(...describeJob(job))
  if (role === 'admin') {
    const start = make('button', { id: 'start-job', disabled: running || told.open > 0 || false,
      onclick: () => post('jobs').then(refresh, refresh) }, 'Start the next cycle')
    parts.push(start)
    if (told.open > 0 && !running) parts.push(make('p', { class: 'soft' }, 'It can start when every slice of this query is done.'))
    if (running) parts.push(make('button', { id: 'cancel-job', onclick: () => post(`jobs/${job.id}/cancel`).then(refresh, refresh) }, 'Cancel the cycle'))
    if (job) parts.push(make('button', { id: 'job-log', onclick: () => showLog(job.id) }, 'Log'))
  }
  el('admin').replaceChildren(...(parts.length ? [make('h2', {}, 'Training'), ...parts] : []))
}

function describeJob(job) {
  const { cycle, stage, done, total } = job.progress
  const words = { queued: 'is about to start', running: `runs: ${stage ?? 'starting'}`, done: 'is done: the loop is at its end',
    waiting: 'is done: the next slices are ready', failed: `failed: ${job.message}`, cancelled: 'was cancelled' }
  const line = make('p', { id: 'job-state', class: job.state === 'failed' ? 'warn' : null }, `${cycle === undefined ? 'The job' : `Cycle ${cycle}`} ${words[job.state]}`)
  if (job.state !== 'running' || !total) return [line]
  return [line, make('progress', { max: total, value: done, 'aria-label': `Progress of ${stage}` })]
}

async function showLog(id) {
  const words = await text(`jobs/${id}/log`)
  await ask('Log of the training', make('pre', { tabindex: 0 }, words || 'Nothing yet.'), [['Close', true, true]])
}

/** The admin's list of slices on which two readers disagree. */
export async function settleDisagreements(open) {
  const found = await get('review/disagreements')
  if (!found.length) return false
  const rows = found.map((one) => make('tr', {}, make('td', {}, one.slice_id), make('td', {}, `Dice ${one.dice.toFixed(2)}`),
    make('td', {}, make('button', { onclick: () => { document.getElementById('dialog').close(); open(one) } }, 'Compare'))))
  await ask('Two readers disagree', make('table', {}, make('tbody', {}, ...rows)), [['Later', true]])
  return true
}
