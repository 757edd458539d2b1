// Drawing on the viewer's labels: strokes from mouse, pen or finger, whole-plane operations, undo and redo.
// One pointer draws at a time, and once a pen was seen on this page touch draws no more: it is the hand that holds the pen.
import { between, flood, paintLine, paintPolygon } from './shapes.js'

const HISTORY = 100
const ERASER_END = 5 // a pen's button when it is turned round

export const TOOLS = [
  { id: 'brush', name: 'Brush', key: 'b' },
  { id: 'eraser', name: 'Eraser', key: 'e' },
  { id: 'fill', name: 'Fill', key: 'f' },
  { id: 'polygon', name: 'Polygon', key: 'g' },
]

export class Drawing {
  /** `changed(places)` is called after every finished change, `hint(words)` where a deed has no effect. */
  constructor(viewer, layer, changed, hint) {
    this.viewer = viewer
    this.layer = layer
    this.changed = changed
    this.hint = hint
    this.tool = 'brush'
    this.label = 1
    this.size = 5
    this.enabled = false
    this.isPenSeen = false
    this.isDoubtShown = false
    this.waiting = [] // to be told when a stroke is over
    this.clear()
    layer.addEventListener('pointerdown', (event) => this.down(event))
    layer.addEventListener('pointermove', (event) => this.move(event))
    layer.addEventListener('pointerup', (event) => this.up(event))
    layer.addEventListener('pointercancel', (event) => this.up(event))
    layer.addEventListener('dblclick', () => this.closePolygon())
    layer.addEventListener('contextmenu', (event) => event.preventDefault())
    new ResizeObserver(() => {
      this.paintLayer()
      requestAnimationFrame(() => requestAnimationFrame(() => this.paintLayer())) // once the picture has its new size, too
    }).observe(layer)
  }

  /** Forget history and half-drawn polygons: another slice is shown. */
  clear() {
    this.past = []
    this.future = []
    this.points = []
    this.pointsOn = null
    this.stroke = null
    this.cursor = null
    this.paintLayer()
  }

  get paint() {
    return this.tool === 'eraser' ? 0 : this.label
  }

  down(event) {
    this.heed(event)
    const isErasing = event.button === ERASER_END
    if ((event.button !== 0 && !isErasing) || event.shiftKey || !this.enabled || this.stroke || this.isPalm(event)) return
    const at = this.viewer.voxelAt(event)
    if (!at) return
    this.layer.focus({ preventScroll: true })
    event.preventDefault()
    if (this.tool === 'polygon' && !isErasing) return this.addPoint(at)
    if (this.tool === 'fill' && !isErasing) return this.change('fill', (plane, w, h) => flood(plane, w, h, at.map(Math.round), this.label))
    this.layer.setPointerCapture(event.pointerId)
    const place = this.viewer.current
    this.stroke = { place, before: this.viewer.plane(place), plane: this.viewer.plane(place), last: at, pointer: event.pointerId, type: event.pointerType, paint: isErasing ? 0 : this.paint }
    this.strokeTo(at)
  }

  /** A pen that comes near ends what the palm began to draw. */
  heed(event) {
    if (event.pointerType !== 'pen') return
    this.isPenSeen = true
    if (this.stroke?.type === 'touch') this.dropStroke()
  }

  isPalm(event) {
    return event.pointerType === 'touch' && this.isPenSeen
  }

  dropStroke() {
    const { place, before } = this.stroke
    this.stroke = null
    this.viewer.setPlane(place, before)
    this.viewer.refresh()
    this.rested()
  }

  /** Waits until no stroke is under way. */
  async rest() {
    while (this.stroke) await new Promise((resolve) => this.waiting.push(resolve))
  }

  rested() {
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  move(event) {
    this.heed(event)
    if (this.isPalm(event)) return
    this.cursor = event
    if (this.stroke?.pointer === event.pointerId) {
      for (const one of event.getCoalescedEvents?.() ?? [event]) {
        const at = this.viewer.voxelAt(one, true)
        if (at) this.strokeTo(at)
      }
    }
    this.paintLayer()
  }

  up(event) {
    if (this.stroke?.pointer !== event.pointerId) return
    const { place, before, plane } = this.stroke
    this.stroke = null
    if (this.layer.hasPointerCapture(event.pointerId)) this.layer.releasePointerCapture(event.pointerId)
    this.finish([{ place, before, after: plane }])
    this.rested()
  }

  strokeTo(at) {
    const { place, plane, last, paint } = this.stroke
    paintLine(plane, ...this.viewer.planeShape, last, at, this.size, paint)
    this.stroke.last = at
    this.viewer.setPlane(place, plane)
    this.viewer.refresh()
  }

  /** A corner; on another layer than the corners before it begins another polygon. */
  addPoint(at) {
    if (this.pointsOn !== this.viewer.current) this.points = []
    this.pointsOn = this.viewer.current
    this.points.push(at)
    this.paintLayer()
    this.changed([])
  }

  /** Forget the corners that were set; what is painted stays. */
  dropPolygon() {
    this.points = []
    this.paintLayer()
    this.changed([])
  }

  /** Paint the polygon where its corners were set, whatever layer was looked at since. */
  closePolygon() {
    const { points } = this
    if (!points.length) return
    this.points = []
    if (points.length > 2) {
      this.viewer.goTo(this.pointsOn)
      this.change('polygon', (plane, w, h) => paintPolygon(plane, w, h, points, this.label))
    }
    this.changed([])
  }

  /** Change the plane on the screen as a whole. */
  change(_name, edit) {
    if (!this.enabled) return
    const place = this.viewer.current
    const before = this.viewer.plane(place)
    const after = before.slice()
    edit(after, ...this.viewer.planeShape)
    this.viewer.setPlane(place, after)
    this.viewer.refresh()
    this.finish([{ place, before, after }])
  }

  copyBelow() {
    const below = this.viewer.current - 1
    if (below < 0 || !this.viewer.plane(below).some(Boolean)) return this.hint('There are no labels on the slice below.')
    this.change('copy', (plane) => plane.set(this.viewer.plane(below)))
  }

  /** The shape between the nearest labels below and above. */
  interpolate(classes) {
    const place = this.viewer.current
    const [down, up] = [this.labelled(place, -1), this.labelled(place, 1)]
    if (down === null || up === null) return this.hint(`There are no labels ${down === null ? 'below' : 'above'} to interpolate from.`)
    const [low, high] = [this.viewer.plane(down), this.viewer.plane(up)]
    const share = (place - down) / (up - down)
    this.change('interpolate', (plane, w, h) => plane.set(between(low, high, w, h, classes, share)))
  }

  /** The nearest layer with labels in one direction; null where none of those that are loaded has any. */
  labelled(place, step) {
    for (let at = place + step; at >= 0 && at < this.viewer.depth; at += step) if (this.viewer.plane(at).some(Boolean)) return at
    return null
  }

  finish(changes) {
    const real = changes.filter(({ before, after }) => before.some((value, k) => value !== after[k]))
    if (!real.length) return
    this.past.push(real)
    if (this.past.length > HISTORY) this.past.shift()
    this.future = []
    this.changed(real.map(({ place }) => place))
  }

  undo() {
    if (this.points.length) {
      this.points.pop()
      this.viewer.goTo(this.pointsOn)
      return this.changed([])
    }
    this.step(this.past, this.future, 'before')
  }

  redo() {
    this.step(this.future, this.past, 'after')
  }

  /** Undo, redo and a polygon half drawn as they are, with places translated: for when another slab of the same volume is shown. */
  history(translate) {
    const translated = (steps) => steps.map((changes) => changes.map((one) => ({ ...one, place: translate(one.place) })))
    return { past: translated(this.past), future: translated(this.future), points: this.points, pointsOn: translate(this.pointsOn) }
  }

  step(from, to, side) {
    if (!this.enabled || !from.length) return
    const changes = from.pop()
    to.push(changes)
    for (const change of changes) this.viewer.setPlane(change.place, change[side])
    this.viewer.refresh()
    this.viewer.goTo(changes[0].place)
    this.changed(changes.map(({ place }) => place))
  }

  /** The score map, the polygon so far and the brush's outline, over the picture. */
  paintLayer() {
    const canvas = this.layer
    const box = canvas.getBoundingClientRect()
    if (canvas.width !== Math.round(box.width)) canvas.width = Math.round(box.width)
    if (canvas.height !== Math.round(box.height)) canvas.height = Math.round(box.height)
    const context = canvas.getContext('2d')
    context.clearRect(0, 0, canvas.width, canvas.height)
    if (this.isDoubtShown) this.viewer.paintDoubt(context)
    context.strokeStyle = '#fff'
    context.fillStyle = '#fff'
    this.paintPolygonSoFar(context)
    this.paintCursor(context, box)
    if (!this.viewer.shape) return
    this.paintCrossings(context)
    this.paintScale(context)
    this.paintMarkers(context)
  }

  /** The patient's sides, inside every plane's edges. */
  paintMarkers(context) {
    context.save()
    context.font = '600 14px system-ui, sans-serif'
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.strokeStyle = '#000'
    context.lineWidth = 3
    for (const [side, x, y] of this.viewer.markers()) {
      context.strokeText(side, x, y)
      context.fillText(side, x, y)
    }
    context.restore()
  }

  /** Where the slice on the screen lies in the other two planes. */
  paintCrossings(context) {
    context.save()
    context.strokeStyle = '#ffd54a'
    context.setLineDash([6, 4])
    for (const [from, to] of this.viewer.crossings()) {
      context.beginPath()
      context.moveTo(...from)
      context.lineTo(...to)
      context.stroke()
    }
    context.restore()
  }

  /** A bar of a round number of millimetres, and its length. */
  paintScale(context) {
    const perMm = this.viewer.pixelsPerMm()
    const tile = this.viewer.tile()
    if (!perMm || !tile) return
    const long = [100, 50, 20, 10, 5].find((mm) => mm * perMm < (tile[2] - tile[0]) / 3) ?? 2
    this.scale = { mm: long, pixels: long * perMm }
    const [right, bottom] = [tile[2] - 40, tile[3] - 22]
    context.lineWidth = 3
    context.beginPath()
    context.moveTo(right - long * perMm, bottom)
    context.lineTo(right, bottom)
    context.stroke()
    context.lineWidth = 1
    context.font = '13px system-ui, sans-serif'
    context.fillText(`${long} mm`, right - long * perMm, bottom - 7)
  }

  paintPolygonSoFar(context) {
    if (!this.points.length || this.pointsOn !== this.viewer.current) return
    const points = this.points.map((one) => this.viewer.pageAt(one)).filter(Boolean)
    context.beginPath()
    points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)))
    context.stroke()
    for (const [x, y] of points) context.fillRect(x - 2, y - 2, 5, 5)
  }

  paintCursor(context, box) {
    if (!this.cursor || !this.enabled || !['brush', 'eraser'].includes(this.tool) || !this.viewer.shape) return
    const at = this.viewer.voxelAt(this.cursor)
    if (!at) return
    const [middle, edge] = [this.viewer.pageAt(at), this.viewer.pageAt([at[0] + this.size / 2, at[1]])]
    if (!middle || !edge) return
    const [x, y] = [this.cursor.clientX - box.left, this.cursor.clientY - box.top]
    context.beginPath()
    context.arc(x, y, Math.max(2, Math.abs(edge[0] - middle[0])), 0, 7)
    context.stroke()
  }
}
