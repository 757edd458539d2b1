// How the slice is looked at: which plane, window and level, zoom, what lies on it; and the words that say so.
const el = (id) => document.getElementById(id)
const SOURCES = { draft: 'your drawing', annotation: 'answered', prediction: 'the model’s labels', none: 'no labels' }

export class Looks {
  /** `page` has the viewer, the drawing, and what is known of the slice (`seen`). */
  constructor(page) {
    this.page = page
    this.viewer = page.viewer
    this.pressed = { hide: false, doubt: false, planes: false }
    this.viewer.moved = () => this.tell()
    el('opacity').addEventListener('input', () => this.apply())
    for (const id of ['window', 'level']) el(id).addEventListener('input', () => this.windowFromSliders())
    for (const id of Object.keys(this.pressed)) el(id).addEventListener('click', () => this.toggle(id))
    el('reset-look').addEventListener('click', () => this.reset())
  }

  async toggle(name) {
    this.pressed[name] = !this.pressed[name]
    el(name).setAttribute('aria-pressed', String(this.pressed[name]))
    if (name === 'planes' && this.pressed.planes) await this.page.loadWhole()
    this.apply()
  }

  apply() {
    if (!this.viewer.shape) return
    this.viewer.setOpacity(this.pressed.hide ? 0 : Number(el('opacity').value) / 100)
    this.page.drawing.isDoubtShown = this.pressed.doubt
    this.viewer.showPlanes(this.pressed.planes)
    el('doubt').disabled = !this.viewer.doubt
    el('doubt-legend').hidden = !(this.pressed.doubt && this.viewer.doubt && this.page.slice)
    this.tell()
  }

  /** Look at a layer of the slab; beyond its ends the whole volume is fetched. */
  async goTo(place) {
    const beyond = place < 0 || place >= this.viewer.depth
    if (beyond && !this.page.whole) {
      const step = place - this.viewer.current
      await this.page.loadWhole()
      place = this.viewer.current + step
    }
    this.viewer.goTo(place)
    this.tell()
  }

  zoom(factor, at = null) {
    this.viewer.zoom(factor, at)
  }

  changeWindow(dx, dy) {
    const [low, high] = this.viewer.window
    const unit = (this.viewer.range[1] - this.viewer.range[0]) / 300
    const [wide, middle] = [Math.max(unit, high - low + dx * unit), (low + high) / 2 - dy * unit]
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

  reset() {
    this.viewer.reset()
    this.slidersFromWindow()
  }

  /** Scale, brush and words follow what is on the screen. */
  tell() {
    this.page.drawing.paintLayer()
    const { slice, seen, touched } = this.page
    if (!slice || !seen) return
    const { header } = seen
    const one = header.planes.find((plane) => plane.place === this.viewer.current)
    if (!one) return
    const what = touched.has(one.index) ? SOURCES.draft : SOURCES[one.source]
    const where = one.index === header.index ? 'in question' : `neighbour, ${what} (X: back)`
    say('position', `slice ${one.index + 1} of ${header.depth} – ${where}`)
    const [low, high] = this.viewer.window
    const digits = high - low < 20 ? 2 : 0
    const look = `W ${(high - low).toFixed(digits)}  L ${((low + high) / 2).toFixed(digits)}  zoom ${this.viewer.zoomed.toFixed(1)}×`
    say('looks', this.pressed.hide ? `${look}  labels hidden` : look)
  }
}

/** Only what changed is written, so that nothing is read out twice. */
function say(id, words) {
  if (el(id).textContent !== words) el(id).textContent = words
}
