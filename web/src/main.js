// The page: gets a slice, shows it, keeps what is drawn, gets the next. Its parts: looks, handing in, settling, panels.
import { Refused, get, leave, post, tab, view } from './api.js'
import { bindPage, showStudy } from './bindings.js'
import { help, make } from './dialogs.js'
import { Drafts } from './drafts.js'
import { Drawing } from './drawing.js'
import { Handing } from './handing.js'
import { NOTHING, keep, letGo, renew, sayWhy, watch } from './holding.js'
import { Looks } from './looks.js'
import { bindTraining, buildTools, showProgress, showTools, showTraining, showWhy } from './panels.js'
import { Settling } from './settling.js'
import { Viewer } from './viewer.js'

const el = (id) => document.getElementById(id)
const REACH = 4
const PROGRESS_MS = 5000
const BUSY_MS = 1000
const RENEW_MS = 20_000
const RETRY_MS = 2000
const HINT_MS = 5000

class Page {
  async start() {
    this.viewer = new Viewer(el('view'))
    this.drawing = new Drawing(this.viewer, el('layer'), (places) => this.drawn(places), (words) => this.hint(words))
    this.looks = new Looks(this)
    this.handing = new Handing(this)
    this.settling = new Settling(this)
    this.mode = 'work'
    this.asked = 0
    this.ahead = null
    this.reach = REACH
    this.channel = 0
    this.touchedAt = Date.now()
    this.leaseMs = Infinity
    this.me = await this.meet()
    this.classes = this.me.study.classes
    await this.viewer.start(this.classes)
    this.drafts = new Drafts(this.me.user, this.me.study.key, (state) => this.showSaved(state))
    buildTools(this.classes, this)
    showStudy(this.me)
    bindPage(this)
    bindTraining(() => this.told.job, () => this.refreshProgress(), (error) => this.fail(error))
    this.redraw()
    watch(this)
    setInterval(() => this.keep(), RENEW_MS)
    addEventListener('pagehide', leave)
    this.refreshProgress()
    await this.next()
  }

  /** Who is signed in; a server that does not answer, or not yet, is asked again. */
  async meet() {
    while (true) {
      try {
        const me = await get('me')
        this.tell(null)
        return me
      } catch (error) {
        if (error.kind !== 'offline' && !(error.status >= 500)) throw error
        this.offline('The server does not answer. Trying again …')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  // Getting slices

  async next() {
    const { mode, asked } = this
    this.busy(true)
    let told
    try {
      told = await post(mode === 'review' ? 'review/next' : 'next')
      if (asked !== this.asked) await this.unwanted(told, mode)
      else if (told.kind === 'slice') await this.open(told)
      else this.nothing(told)
    } catch (error) {
      if (asked !== this.asked) return
      if (!isOfTheSlice(error)) this.fail(error, () => this.next())
      else if (told?.kind === 'slice') this.unshown(told, error)
      else this.notice(`The next slice could not be had: ${error.message}`, [['Try again', () => this.next()]])
    }
  }

  /** A slice to be worked on in `mode`, that came when somebody had gone over to another: it goes back to where it was. */
  async unwanted(told, mode) {
    if (told.kind === 'slice' && this.mode !== mode) await post('give_back', { slice: told.slice })
  }

  /** The slice is in hand and cannot be shown: nobody is kept from the next one by that. */
  unshown({ slice, purpose }, error) {
    console.error(error)
    const reason = 'It cannot be shown'
    const leave = () => (purpose === 'review' ? post('give_back', { slice }) : post('aside', { slice, state: 'skipped', reason }))
    const goOn = [purpose === 'review' ? 'Put it back' : 'Skip it', () => leave().then(() => this.next())]
    this.notice(`Slice ${slice} cannot be shown: ${error.message}`, [['Try again', () => this.next()], goOn])
  }

  async open(told) {
    const { mode, asked } = this
    const ready = this.ahead?.slice === told.slice && this.channel === 0 ? await this.ahead.view : null
    this.ahead = null
    const seen = ready ?? (await view(told.slice, REACH, this.channel))
    if (asked !== this.asked) return this.unwanted(told, mode)
    this.reach = REACH
    this.purpose = told.purpose
    this.leaseMs = told.lease_s * 1000
    await this.show(told.slice, seen)
    if (this.looks.pressed.planes || this.isDrawnBeyond()) await this.loadWhole()
    if (told.purpose !== 'review') this.prefetch()
    this.refreshProgress()
  }

  /** Whether a draft, here or on the server, holds slices that the slab does not. */
  isDrawnBeyond() {
    return [...this.touched].some((index) => this.placeOf(index) === undefined)
  }

  async show(slice, seen, keep = false) {
    const { header, sections } = seen
    this.notice(null)
    this.slice = slice
    this.seen = seen
    this.isLost = false
    this.drawing.clear()
    this.drawing.enabled = false // until there is what is drawn on
    await this.viewer.show(seen, keep)
    this.looks.slidersFromWindow()
    const [columns, rows] = this.viewer.planeShape
    const mine = this.mode === 'settle' ? new Map() : this.drafts.open(slice, columns * rows)
    for (const [index, plane] of mine) if (this.placeOf(index) !== undefined) this.viewer.setPlane(this.placeOf(index), plane)
    this.viewer.refresh()
    this.touched = new Set(this.mode === 'settle' ? [] : [...mine.keys(), ...(header.drafts ?? [])])
    this.began = sections.answer ?? sections.proposal ?? this.viewer.plane(this.viewer.place)
    this.showSaved(this.touched.size ? 'saved' : 'nothing')
    showWhy(header)
    const state = header.state === 'leased' ? 'in your hands' : (header.state ?? '').replace('_', ' ')
    el('where').textContent = `${slice} – ${state}`
    this.busy(false)
    this.redraw()
    this.looks.goTo(this.viewer.place)
    el('layer').focus({ preventScroll: true })
  }

  /** Whether no more of the volume can be had. */
  get whole() {
    return !this.slice || this.reach === null || this.seen.header.planes.length >= this.seen.header.depth
  }

  /** The whole volume in place of the slab; where it cannot be had the slab stays, and that is said. */
  async loadWhole() {
    if (this.whole || this.isBusy) return
    this.loading ??= this.reload(null).catch((error) => this.notLoaded(error)).finally(() => { this.loading = null })
    await this.loading
  }

  notLoaded(error) {
    if (error.kind === 'offline') this.hint('The rest of the volume could not be loaded. Try again.')
    else this.fail(error)
  }

  /** The slice anew, with what is drawn meanwhile, too, and `reach` slices to either side (null: all). */
  async reload(reach = this.reach) {
    if (!this.slice) return
    await this.drafts.flush()
    const { slice, drawing, channel } = this
    const seen = await view(slice, reach, channel)
    await drawing.rest() // a stroke under way is of the slab that it began on
    if (slice !== this.slice || channel !== this.channel) return
    this.reach = reach
    const index = this.indexOf(this.viewer.current)
    const byIndex = drawing.history((place) => this.indexOf(place))
    const drawn = this.drafts.slice === slice && this.mode !== 'settle' ? this.drafts.planes : new Map()
    await this.show(slice, seen, true)
    this.layOver(drawn)
    Object.assign(drawing, byIndex)
    Object.assign(drawing, drawing.history((place) => this.placeOf(place)))
    if (this.mode === 'settle') this.settling.look()
    this.redraw()
    this.looks.goTo(this.placeOf(index) ?? this.viewer.place)
  }

  /** Another channel of the same slice: the last that was chosen. Where it cannot be had the one on the screen stays chosen. */
  async setChannel(channel) {
    await this.loading
    this.channel = channel
    try {
      await this.reload()
    } catch (error) {
      if (channel !== this.channel) return
      this.channel = this.seen.channel
      el('channel').value = this.channel
      throw error
    }
  }

  /** What was drawn here since the slice was opened is newer than what the server may have had of it. */
  layOver(drawn) {
    for (const [index, plane] of drawn) {
      if (this.placeOf(index) !== undefined) this.viewer.setPlane(this.placeOf(index), plane)
      if (!this.drafts.planes.has(index)) this.drafts.planes.set(index, plane)
      this.touched.add(index)
    }
    if (drawn.size) this.viewer.refresh()
  }

  prefetch() {
    this.asking = post('next', { ahead: true }).then((told) => {
      if (told.kind === 'slice' && told.slice !== this.slice) this.ahead = { slice: told.slice, view: view(told.slice, REACH, 0).catch(() => null) }
    }, () => {})
  }

  nothing(told) {
    this.notice(NOTHING[told.kind], told.kind === 'elsewhere' ? [['Work here instead', () => this.workHere()]] : [])
    this.waiting = told.kind !== 'elsewhere' && told.kind
    this.refreshProgress()
  }

  async workHere() {
    await post('adopt')
    await this.next()
  }

  renew() { return renew(this) }
  keep() { return keep(this) }

  // Drawing

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

  interpolate() { this.drawing.interpolate(this.classes.map((one) => one.id)) }
  setTool(tool) { this.drawing.tool = tool; this.drawing.points = []; this.redraw() }
  setSize(size) { this.drawing.size = Math.min(40, Math.max(1, size)); this.redraw() }
  setClass(place) {
    const chosen = this.classes[place]
    if (!chosen) return
    this.drawing.label = chosen.id
    if (this.drawing.tool === 'eraser') this.drawing.tool = 'brush'
    this.redraw()
  }

  submit() { return this.handing.submit() }
  accept() { return this.handing.accept() }
  setAside(state) { return this.handing.setAside(state) }
  showMine() { return this.handing.mine() }
  showHelp() { return help() }

  redraw() {
    showTools(this.classes, this.drawing, this.viewer.shape ? this.viewer.spacing : null)
    this.looks.apply()
  }

  // States

  busy(is) {
    this.isBusy = is
    const off = is || !this.slice
    this.drawing.enabled = !off && this.mode !== 'settle'
    for (const id of ['submit', 'skip', 'unreadable', 'review-accept', 'review-correct']) el(id).disabled = off
    for (const id of ['copy-below', 'interpolate']) el(id).disabled = !this.drawing.enabled
    el('accept').disabled = off || !this.seen?.sections.proposal
    this.setModeButtons(this.mode)
  }

  setMode(mode) {
    this.tell(null)
    const left = this.mode === 'work' && mode !== 'work' ? letGo(this) : Promise.resolve()
    this.setModeButtons(mode)
    this.slice = null
    this.waiting = false
    if (mode === 'settle') return left
    this.busy(true)
    return left.then(() => this.next())
  }

  setModeButtons(mode) {
    if (mode !== this.mode) this.asked++ // what is on its way is of the former
    this.mode = mode
    for (const one of ['work', 'review']) el(`mode-${one}`).setAttribute('aria-pressed', String(one === mode))
    for (const one of ['work', 'review', 'settle']) el(`${one}-buttons`).hidden = mode !== one
  }

  notice(words, buttons = []) {
    el('notice').hidden = !words
    el('notice').replaceChildren(make('p', {}, words ?? ''), ...buttons.map(([name, deed]) => make('button', { class: 'main', onclick: () => Promise.resolve(deed()).catch((error) => this.fail(error)) }, name)))
    this.waiting = false
    if (!words) return
    for (const id of ['where', 'position', 'looks']) el(id).textContent = ''
    el('why').textContent = '–'
    this.slice = null
    this.busy(false)
    this.looks.apply()
    this.showSaved('nothing')
  }

  tell(words, buttons = []) {
    this.isOffline = false
    el('banner').replaceChildren(words ?? '', ...buttons.map(([name, deed]) => make('button', { onclick: () => { this.tell(null); deed() } }, name)))
    el('banner').hidden = !words
  }

  offline(words) {
    this.tell(words)
    this.isOffline = true
  }

  /** A word that goes away by itself. */
  hint(words) {
    clearTimeout(this.hintTimer)
    el('hint').textContent = words
    el('hint').hidden = false
    this.hintTimer = setTimeout(() => { el('hint').hidden = true }, HINT_MS)
  }

  showSaved(state) {
    if (state instanceof Error) return this.fail(state)
    const words = { saved: 'Saved', saving: 'Saving …', waiting: 'Kept in this browser', nothing: '' }
    el('saved').textContent = words[state]
    if (state === 'waiting') this.offline('The connection is lost. Go on drawing: it is kept in this browser and sent when the server answers.')
    else if (state === 'saved' && this.isOffline) this.tell(null)
  }

  fail(error, again = null) {
    if (!(error instanceof Refused)) {
      console.error(error)
      return this.tell(`Something went wrong in this page: ${error.message}`)
    }
    if (error.kind === 'offline') {
      this.offline('The connection is lost. What is drawn is kept in this browser; trying again …')
      if (again) setTimeout(again, RETRY_MS)
    } else if (error.kind === 'signed-out') this.notice(`${error.message} Ask whoever runs the study for a new one.`)
    else if (error.kind === 'other_tab') this.notice('You went on with this slice in another tab. What was drawn here before that is saved.', [['Work here instead', () => this.workHere()]])
    else if (['lapsed', 'taken'].includes(error.kind)) {
      this.notice('Your time for that slice was over; it is in the queue again, or somebody else has it. What you drew is kept.', [['Go on with the next slice', () => this.next()]])
    } else this.tell(error.message)
  }

  async refreshProgress() {
    clearTimeout(this.progressTimer)
    let wait = PROGRESS_MS
    try {
      this.told = await get(this.waiting ? `progress?idle=${this.mode}` : 'progress')
      if (this.isOffline && !this.isBusy && !this.drafts.unsent.size) this.tell(null)
      if (['queued', 'running'].includes(this.told.job?.state)) wait = BUSY_MS
      showProgress(this.told)
      showTraining(this.told, this.me.role)
      sayWhy(this.waiting, this.told.job)
      if (this.waiting && this.told.waits) await this.next()
    } catch (error) {
      if (error.kind !== 'offline' || !this.isOffline) this.fail(error)
      if (error.kind === 'signed-out') return
    }
    clearTimeout(this.progressTimer)
    this.progressTimer = setTimeout(() => this.refreshProgress(), wait)
  }
}

/** Whether getting or showing the slice failed, and neither the connection nor whose it is. */
function isOfTheSlice(error) {
  return !(error instanceof Refused) || !['offline', 'signed-out', 'other_tab', 'lapsed', 'taken'].includes(error.kind)
}

const page = new Page()
window.askance = page // for tests and the curious
window.askanceTab = tab
page.start().catch((error) => page.fail(error))
