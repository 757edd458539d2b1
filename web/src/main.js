// The page: gets a slice, shows it, takes what is drawn, gets the next.
import { Refused, get, post, send, tab, version, view } from './api.js'
import { slips } from './checks.js'
import { ask, askReason, help, make } from './dialogs.js'
import { Drafts } from './drafts.js'
import { Drawing } from './drawing.js'
import { bindKeys } from './keys.js'
import { settleDisagreements, showLegend, showProgress, showTools, showWhy } from './panels.js'
import { Viewer } from './viewer.js'

const el = (id) => document.getElementById(id)
const REACH = 4
const PROGRESS_MS = 5000
const BUSY_MS = 1000
const RENEW_MS = 20_000
const SKIPS = ['Motion', 'Wrong region', 'Cannot tell', 'Artefact']

class Page {
  async start() {
    this.viewer = new Viewer(el('view'))
    this.drawing = new Drawing(this.viewer, el('layer'), (places) => this.drawn(places))
    this.mode = 'work'
    this.ahead = null
    this.pressed = { hide: false, doubt: false, planes: false }
    this.me = await get('me')
    this.classes = this.me.study.classes
    await this.viewer.start(this.classes)
    this.drafts = new Drafts(this.me.user, this.me.study.name, (state) => this.showSaved(state))
    this.showStudy()
    this.bind()
    this.redraw()
    setInterval(() => this.whatever(post('renew')), RENEW_MS)
    this.refreshProgress()
    await this.next()
  }

  showStudy() {
    const { study, user, role } = this.me
    document.title = `${study.name} – askance`
    el('study').textContent = study.name
    el('who').textContent = `${user} (${role})`
    el('instructions').textContent = study.instructions
    el('instructions-title').hidden = !study.instructions
    el('mode-review').hidden = role === 'expert'
    el('channel-label').hidden = study.channels.length < 2
    el('channel').replaceChildren(...study.channels.map((name, k) => make('option', { value: k }, name)))
  }

  bind() {
    const deeds = {
      submit: () => this.submit(), accept: () => this.accept(), skip: () => this.setAside('skipped'),
      unreadable: () => this.setAside('unreadable'), 'review-accept': () => this.accept(), 'review-correct': () => this.submit(),
      undo: () => this.drawing.undo(), redo: () => this.drawing.redo(), 'copy-below': () => this.drawing.copyBelow(),
      interpolate: () => this.interpolate(), hide: () => this.toggle('hide'), doubt: () => this.toggle('doubt'),
      planes: () => this.toggle('planes'), 'show-help': () => this.showHelp(), 'show-mine': () => this.showMine(),
      'mode-work': () => this.setMode('work'), 'mode-review': () => this.setMode('review'),
    }
    for (const [id, deed] of Object.entries(deeds)) el(id).addEventListener('click', deed)
    el('brush-size').addEventListener('input', () => this.setSize(Number(el('brush-size').value)))
    el('opacity').addEventListener('input', () => this.redraw())
    for (const id of ['window', 'level']) el(id).addEventListener('input', () => this.windowFromSliders())
    el('channel').addEventListener('change', () => this.reload())
    bindKeys(this)
  }

  // Getting slices

  async next() {
    this.busy(true)
    try {
      const told = await post(this.mode === 'review' ? 'review/next' : 'next')
      if (told.kind === 'slice') await this.open(told)
      else await this.nothing(told)
    } catch (error) {
      this.fail(error, () => this.next())
    }
  }

  async open(told) {
    const ready = this.ahead?.slice === told.slice && this.channel === 0 ? await this.ahead.view : null
    this.ahead = null
    const seen = ready ?? (await view(told.slice, REACH, this.channel))
    this.purpose = told.purpose
    await this.show(told.slice, seen)
    if (told.purpose !== 'review') this.prefetch()
    this.refreshProgress()
  }

  async show(slice, seen, keep = false) {
    this.wide = seen.header.planes.length >= seen.header.depth
    this.notice(null)
    this.slice = slice
    this.seen = seen
    this.drawing.clear()
    await this.viewer.show(seen, keep)
    const [columns, rows] = this.viewer.planeShape
    const mine = this.drafts.open(slice, columns * rows)
    for (const [index, plane] of mine) if (this.placeOf(index) !== undefined) this.viewer.setPlane(this.placeOf(index), plane)
    this.viewer.refresh()
    this.touched = new Set([...mine.keys(), ...seen.header.planes.filter((one) => one.source === 'draft').map((one) => one.index)])
    this.began = this.viewer.plane(this.viewer.place)
    this.showSaved(this.touched.size ? 'saved' : 'nothing')
    showWhy(seen.header)
    this.busy(false)
    this.applyLook()
    this.goTo(this.viewer.place)
    el('layer').focus({ preventScroll: true })
  }

  /** The whole volume in place of the slab, with what is drawn. */
  async reload() {
    if (!this.slice) return
    await this.drafts.sendNow()
    const place = this.indexOf(this.viewer.current)
    await this.show(this.slice, await view(this.slice, this.pressed.planes ? null : REACH, this.channel), true)
    this.goTo(this.placeOf(place) ?? this.viewer.place)
  }

  prefetch() {
    post('next', { ahead: true }).then((told) => {
      if (told.kind === 'slice' && told.slice !== this.slice) this.ahead = { slice: told.slice, view: view(told.slice, REACH, 0).catch(() => null) }
    }, () => {})
  }

  async nothing(told) {
    this.slice = null
    const words = {
      empty: 'Nothing has been asked yet. An admin starts the first cycle; this page shows the slices when they are chosen.',
      finished: 'This query is done. Thank you. The next cycle can be trained now; new slices appear here by themselves.',
      others: 'All slices that are left are in other people’s hands. New ones appear here by themselves.',
      review: 'Every slice of this query is answered; some wait for review.',
      reviewed: 'There is nothing to review now.',
    }
    if (told.kind === 'elsewhere') {
      this.notice('You have this study open in another tab or on another machine.', [['Work here instead', () => this.workHere()]])
    } else this.notice(words[told.kind])
    this.waiting = told.kind !== 'elsewhere'
    if (this.me.role === 'admin' && this.mode === 'review') await settleDisagreements((one) => this.settle(one))
    this.refreshProgress()
  }

  async workHere() {
    await post('adopt')
    await this.next()
  }

  // Drawing

  get channel() {
    return Number(el('channel').value || 0)
  }

  indexOf(place) {
    return this.seen.header.planes.find((one) => one.place === place)?.index
  }

  placeOf(index) {
    return this.seen.header.planes.find((one) => one.index === index)?.place
  }

  drawn(places) {
    for (const place of new Set(places)) {
      this.touched.add(this.indexOf(place))
      this.drafts.keep(this.indexOf(place), this.viewer.plane(place))
    }
    this.redraw()
  }

  interpolate() {
    this.drawing.interpolate(this.classes.map((one) => one.id))
  }

  // Handing in

  planesToSend() {
    const planes = new Map([[this.seen.header.index, this.viewer.plane(this.viewer.place)]])
    for (const index of this.touched) {
      const place = this.placeOf(index)
      planes.set(index, place === undefined ? this.drafts.planes.get(index) : this.viewer.plane(place))
    }
    for (const [index, plane] of planes) if (!plane) planes.delete(index)
    return planes
  }

  async submit() {
    if (!this.slice || this.isBusy) return
    const planes = this.planesToSend()
    const found = slips(planes.get(this.seen.header.index), this.began, ...this.viewer.planeShape, this.classes)
    const beside = [...planes.keys()].filter((index) => index !== this.seen.header.index)
    if (beside.length) found.push(`You also drew on ${beside.map((index) => `slice ${index}`).join(', ')}; that is handed in as well.`)
    if (found.length) {
      const list = make('ul', {}, ...found.map((one) => make('li', {}, one)))
      if (!(await ask('Hand it in like this?', list, [['Back', false], ['Submit', true, true]]))) return
    }
    await this.handIn(() => send(this.purpose === 'review' ? 'review/correct' : 'submit', this.slice, planes), planes)
  }

  async accept() {
    if (!this.slice || this.isBusy) return
    if (this.purpose === 'review') return this.handIn(() => post('review/accept', { slice: this.slice }))
    if (!this.seen.sections.proposal) return
    const plane = this.seen.sections.proposal.slice()
    await this.handIn(() => post('accept_proposal', { slice: this.slice }), new Map([[this.seen.header.index, plane]]))
  }

  async setAside(state) {
    if (!this.slice || this.isBusy || this.purpose === 'review') return
    const reason = await askReason(state === 'skipped' ? 'Skip' : 'Flag as unreadable', SKIPS)
    if (reason) await this.handIn(() => post('aside', { slice: this.slice, state, reason }))
  }

  async handIn(deed, planes = new Map()) {
    this.busy(true)
    try {
      await this.drafts.sending
      const told = await deed()
      await this.drafts.close()
      await this.carryOver(planes)
      if (told.outcome === 'late') this.tell('Your time for that slice was over. Your answer is kept as a version beside the other one.')
      else if (told.outcome === 'in_review' && told.dice !== null) this.tell(`The two readings differ (Dice ${told.dice.toFixed(2)}); an admin settles it.`)
      await this.next()
    } catch (error) {
      this.busy(false)
      this.fail(error, () => this.handIn(deed, planes))
    }
  }

  /** What was just handed in is known to the slice that waits, if it is of the same case. */
  async carryOver(planes) {
    const waiting = await this.ahead?.view
    if (!waiting || waiting.header.case !== this.seen.header.case) return
    const size = planes.values().next().value?.length
    for (const [index, plane] of planes) {
      const there = waiting.header.planes.find((one) => one.index === index)
      if (!there || there.source === 'draft' || this.viewer.axis !== 2) continue
      waiting.sections.labels.set(plane, there.place * size)
    }
    if (this.viewer.axis !== 2) this.ahead = null
  }

  async showMine() {
    const mine = await get('mine').catch((error) => this.fail(error))
    if (!mine) return
    const rows = mine.map((one) => make('tr', {}, make('td', {}, one.slice_id), make('td', {}, one.state.replace('_', ' ')),
      make('td', {}, make('button', { onclick: () => { el('dialog').close(); this.reopen(one.slice_id) } }, 'Change'))))
    const content = rows.length ? make('table', {}, make('tbody', {}, ...rows)) : make('p', {}, 'You have not handed in anything yet.')
    await ask('My answers', content, [['Close', true, true]])
  }

  async reopen(slice) {
    this.busy(true)
    try {
      this.setModeButtons('work')
      await this.open(await post('reopen', { slice }))
    } catch (error) {
      this.busy(false)
      this.fail(error)
    }
  }

  /** Both readers' versions, one after the other, for the admin to choose from. */
  async settle(one) {
    const seen = await view(one.slice_id, REACH, this.channel)
    await this.show(one.slice_id, seen)
    this.drawing.enabled = false
    this.busy(true)
    const look = async (number) => {
      this.viewer.setPlane(this.viewer.place, await version(one.slice_id, number))
      this.viewer.refresh()
    }
    const choose = async (number) => { await post('review/settle', { slice: one.slice_id, version: number }); this.tell(null); await this.next() }
    const buttons = [one.other, one.version].flatMap((number, k) => [
      make('button', { onclick: () => look(number) }, `Show reader ${k + 1}`), make('button', { onclick: () => choose(number) }, `Reader ${k + 1} stands`)])
    el('banner').replaceChildren(`Dice between the readers: ${one.dice.toFixed(2)}. `, ...buttons)
    el('banner').hidden = false
    await look(one.version)
  }

  // Looks

  setTool(tool) { this.drawing.tool = tool; this.drawing.points = []; this.redraw() }
  setClass(place) {
    const chosen = this.classes[place]
    if (!chosen) return
    this.drawing.label = chosen.id
    if (this.drawing.tool === 'eraser') this.drawing.tool = 'brush'
    this.redraw()
  }
  setSize(size) { this.drawing.size = Math.min(40, Math.max(1, size)); this.redraw() }
  showHelp() { return help() }

  async toggle(name) {
    this.pressed[name] = !this.pressed[name]
    el(name).setAttribute('aria-pressed', String(this.pressed[name]))
    if (name === 'planes' && this.pressed.planes && this.slice && !this.wide) await this.whatever(this.reload())
    this.applyLook()
  }

  applyLook() {
    if (!this.viewer.shape) return
    this.viewer.setOpacity(this.pressed.hide ? 0 : Number(el('opacity').value) / 100)
    this.viewer.showDoubt(this.pressed.doubt)
    this.viewer.showPlanes(this.pressed.planes)
    el('doubt').disabled = !this.viewer.hasDoubt
    this.drawing.paintLayer()
  }

  changeWindow(dx, dy) {
    const [low, high] = this.viewer.window
    const [width, level] = [high - low, (low + high) / 2]
    const unit = (this.viewer.range[1] - this.viewer.range[0]) / 300
    const [wide, middle] = [Math.max(unit, width + dx * unit), level - dy * unit]
    this.viewer.setWindow(middle - wide / 2, middle + wide / 2)
    this.slidersFromWindow()
  }

  windowFromSliders() {
    if (!this.viewer.shape) return
    const [low, high] = this.viewer.range
    const wide = ((high - low) * Number(el('window').value)) / 100
    const middle = low + ((high - low) * Number(el('level').value)) / 100
    this.viewer.setWindow(middle - wide / 2, middle + wide / 2)
  }

  slidersFromWindow() {
    const [low, high] = this.viewer.range
    const [from, to] = this.viewer.window
    el('window').value = (100 * (to - from)) / (high - low)
    el('level').value = (100 * ((from + to) / 2 - low)) / (high - low)
  }

  resetLook() { this.viewer.reset(); this.slidersFromWindow() }

  goTo(place) {
    const at = this.viewer.goTo(place)
    this.drawing.paintLayer()
    const { header } = this.seen
    const one = header.planes.find((plane) => plane.place === at)
    const names = { draft: 'your drawing', annotation: 'answered', prediction: 'the model’s labels', none: 'no labels' }
    const asked = one.index === header.index
    el('position').textContent = `slice ${one.index} of ${header.depth} ${asked ? '– in question' : `– neighbour, ${this.touched.has(one.index) ? 'your drawing' : names[one.source]} (X: back)`}`
    const state = header.state === 'leased' ? 'in your hands' : (header.state ?? '').replace('_', ' ')
    el('where').textContent = `${header.case}, slice ${header.index} – ${state}`
  }

  redraw() {
    showTools(this.drawing, () => this.redraw())
    showLegend(this.classes, this.drawing, () => this.redraw())
    el('undo').disabled = !this.drawing.past.length
    el('redo').disabled = !this.drawing.future.length
    this.applyLook()
  }

  // States

  busy(is) {
    this.isBusy = is
    this.drawing.enabled = !is && Boolean(this.slice)
    const off = is || !this.slice
    for (const id of ['submit', 'skip', 'unreadable', 'review-accept', 'review-correct']) el(id).disabled = off
    el('accept').disabled = off || !this.seen?.sections.proposal
    this.setModeButtons(this.mode)
  }

  setMode(mode) {
    this.tell(null)
    this.setModeButtons(mode)
    this.slice = null
    return this.next()
  }

  setModeButtons(mode) {
    this.mode = mode
    for (const one of ['work', 'review']) el(`mode-${one}`).setAttribute('aria-pressed', String(one === mode))
    el('work-buttons').hidden = mode === 'review'
    el('review-buttons').hidden = mode !== 'review'
  }

  notice(words, buttons = []) {
    el('notice').hidden = !words
    el('notice').replaceChildren(make('p', {}, words ?? ''), ...buttons.map(([name, deed]) => make('button', { class: 'main', onclick: deed }, name)))
    if (!words) this.waiting = false
    else {
      el('where').textContent = ''
      el('position').textContent = ''
      el('why').textContent = '–'
      this.slice = null
      this.busy(false)
      this.showSaved('nothing')
    }
  }

  tell(words) {
    el('banner').textContent = words ?? ''
    el('banner').hidden = !words
  }

  showSaved(state) {
    if (state instanceof Error) return this.fail(state)
    const words = { saved: 'Saved', saving: 'Saving …', waiting: 'Kept in this browser', nothing: '' }
    el('saved').textContent = words[state]
    if (state === 'waiting') this.tell('The connection is lost. Go on drawing: it is kept in this browser and sent when the server answers.')
    else if (state === 'saved' && el('banner').textContent.startsWith('The connection')) this.tell(null)
  }

  fail(error, again = null) {
    if (!(error instanceof Refused)) {
      console.error(error)
      return this.tell(`Something went wrong in this page: ${error.message}`)
    }
    if (error.kind === 'offline') {
      this.tell('The connection is lost. What is drawn is kept in this browser; trying again …')
      if (again) setTimeout(() => { this.tell(null); again() }, 2000)
    } else if (error.kind === 'signed-out') this.notice(`${error.message} Ask whoever runs the study for a new one.`)
    else if (error.kind === 'other_tab') this.notice('You went on with this slice in another tab. What was drawn here before that is saved.', [['Work here instead', () => this.workHere()]])
    else if (['lapsed', 'taken'].includes(error.kind)) {
      this.notice(`${error.message}.`, [['Go on with the next slice', () => this.next()]])
    } else this.tell(error.message)
  }

  async refreshProgress() {
    clearTimeout(this.progressTimer)
    let wait = PROGRESS_MS
    try {
      const told = await get('progress')
      if (['queued', 'running'].includes(told.job?.state)) wait = BUSY_MS
      showProgress(told, this.me.role, () => this.refreshProgress())
      if (this.waiting && this.mode === 'work' && told.counts.queried > 0) await this.next()
    } catch (error) {
      if (error.kind === 'signed-out') return
    }
    clearTimeout(this.progressTimer)
    this.progressTimer = setTimeout(() => this.refreshProgress(), wait)
  }

  whatever(promise) {
    return promise.catch((error) => error.kind === 'offline' || this.fail(error))
  }
}

const page = new Page()
window.askance = page // for tests and the curious
window.askanceTab = tab
page.start().catch((error) => page.fail(error))
