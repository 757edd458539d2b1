// NiiVue as our screen: it shows a slab in the patient's axes and the labels on it, and says which voxel a pixel is.
// It is handed volumes whose axes are the patient's already, so its drawing has the order of ours.
import { pictureOf } from './doubt.js'
import { Niivue, NVImage, SLICE_TYPE } from './vendor/niivue.js'

const SLICE_TYPES = [SLICE_TYPE.SAGITTAL, SLICE_TYPE.CORONAL, SLICE_TYPE.AXIAL] // by display axis
const DIFFERENT = '#ff9500' // label 255: where two readers differ

const SIDES = ['PASI', 'RLSI', 'RLAP'] // by display axis: left, right, top and bottom of the plane on the screen
const MARGIN = 12
const STEP = 20 // pixels of the page over which a voxel's size there is measured

const EDGE = 0.01 // of a pixel: NiiVue knows nothing of the edge itself
const within = (value, low, high) => Math.min(high - EDGE, Math.max(low + EDGE, value))

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas
    this.niivue = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairWidth: 0,
      dragAndDropEnabled: false,
      isColorbar: false,
      isRadiologicalConvention: true,
      isOrientationTextVisible: false, // its letters are cut by the edge, and meet between two planes: ours are inside
      loadingText: '',
      logLevel: 'error',
      multiplanarForceRender: false,
      multiplanarShowRender: 0,
      show3Dcrosshair: false,
      isNearestInterpolation: false,
    })
    this.moved = () => {} // called when something else is on the screen
  }

  async start(classes) {
    await this.niivue.attachToCanvas(this.canvas)
    const lut = { R: [], G: [], B: [], A: [], labels: [] }
    for (let k = 0; k < 256; k++) {
      const colour = classes.find((one) => one.id === k)?.colour ?? (k === 255 ? DIFFERENT : '#808080')
      lut.R.push(parseInt(colour.slice(1, 3), 16))
      lut.G.push(parseInt(colour.slice(3, 5), 16))
      lut.B.push(parseInt(colour.slice(5, 7), 16))
      lut.A.push(k ? 255 : 0)
      lut.labels.push(String(k))
    }
    this.niivue.setDrawColormap(lut)
  }

  /** Show a view as api.view gives it; `keep` leaves the zoom as it is, and of the same channel the window. */
  async show({ header, sections, channel }, keep = false) {
    const nv = this.niivue
    const window = keep && this.axis === header.axis && this.channel === channel ? this.window : null
    const bytes = sections.image.slice()
    const image = await NVImage.new(bytes.buffer, 'slice.nii', 'gray', 1)
    nv.closeDrawing()
    while (nv.volumes.length) nv.removeVolumeByIndex(0)
    nv.addVolume(image)
    this.axis = header.axis
    this.channel = channel
    this.shape = image.dimsRAS.slice(1, 4)
    this.place = header.place
    this.range = [image.cal_min, image.cal_max]
    this.doubt = sections.doubt ? pictureOf(sections.doubt, ...this.planeShape) : null
    nv.createEmptyDrawing()
    nv.setSliceType(SLICE_TYPES[this.axis])
    if (!keep) nv.setPan2Dxyzmm([0, 0, 0, 1])
    this.setLabels(sections.labels)
    this.goTo(header.place)
    if (window) this.setWindow(...window)
    else this.window = [image.cal_min, image.cal_max]
  }

  get labels() {
    return this.niivue.drawBitmap
  }

  setLabels(voxels) {
    this.labels.set(voxels)
    this.refresh()
  }

  refresh() {
    this.niivue.refreshDrawing(true)
  }

  /** Millimetres from one column to the next. */
  get spacing() {
    return this.niivue.volumes[0].pixDimsRAS[[0, 1, 2].find((axis) => axis !== this.axis) + 1]
  }

  /** Columns and rows of a plane. */
  get planeShape() {
    const [columns, rows] = this.shape.filter((_, axis) => axis !== this.axis)
    return [columns, rows]
  }

  get depth() {
    return this.shape[this.axis]
  }

  plane(place) {
    const [columns, rows] = this.planeShape
    const plane = new Uint8Array(columns * rows)
    this.eachIndex(place, (k, at) => { plane[at] = this.labels[k] })
    return plane
  }

  /** Whether the labels of a plane are those of the volume `voxels`. */
  isPlaneOf(place, voxels) {
    let isSame = true
    this.eachIndex(place, (k) => { isSame &&= this.labels[k] === voxels[k] })
    return isSame
  }

  setPlane(place, plane) {
    this.eachIndex(place, (k, at) => { this.labels[k] = plane[at] })
  }

  eachIndex(place, visit) {
    const strides = [1, this.shape[0], this.shape[0] * this.shape[1]]
    const [first, second] = [0, 1, 2].filter((axis) => axis !== this.axis)
    for (let row = 0, at = 0; row < this.shape[second]; row++) {
      let k = place * strides[this.axis] + row * strides[second]
      for (let column = 0; column < this.shape[first]; column++, at++, k += strides[first]) visit(k, at)
    }
  }

  /** The layer on the screen. */
  get current() {
    return Math.round(this.niivue.frac2vox(this.niivue.scene.crosshairPos)[this.axis])
  }

  goTo(place) {
    const step = [0, 0, 0]
    const wanted = Math.min(this.depth - 1, Math.max(0, place))
    const nv = this.niivue
    const at = this.shape.map((size) => Math.floor(size / 2))
    at[this.axis] = wanted
    nv.scene.crosshairPos = nv.vox2frac(at)
    nv.moveCrosshairInVox(...step)
    return wanted
  }

  /** [column, row] of a place on the page, with fractions; null off our plane, or with `clamp` the nearest place on it. */
  voxelAt(event, clamp = false) {
    const nv = this.niivue
    const box = this.canvas.getBoundingClientRect()
    const number = nv.screenSlices.findIndex((one) => one.axCorSag === SLICE_TYPES[this.axis])
    if (number < 0) return null
    const [left, top, right, bottom] = this.tile()
    let [x, y] = [event.clientX - box.left, event.clientY - box.top]
    if (clamp) [x, y] = [within(x, left, right), within(y, top, bottom)]
    else if (nv.tileIndex(x * this.scale, y * this.scale) !== number) return null
    const fraction = nv.screenXY2TextureFrac(x * this.scale, y * this.scale, number, !clamp)
    if (fraction[0] < 0 && !clamp) return null
    const voxel = this.shape.map((size, axis) => fraction[axis] * size - 0.5)
    return voxel.filter((_, axis) => axis !== this.axis)
  }

  /** The page's place of a [column, row]. */
  pageAt(voxel) {
    const at = [...voxel]
    at.splice(this.axis, 0, this.current)
    const nv = this.niivue
    const fraction = this.shape.map((size, axis) => (at[axis] + 0.5) / size)
    const found = nv.frac2canvasPosWithTile(fraction, SLICE_TYPES[this.axis])?.pos
    if (!found) return null
    return [found[0] / this.scale, found[1] / this.scale]
  }

  /** Lay the score map over its own slice, in `context` of a layer as large as the canvas. */
  paintDoubt(context) {
    const tile = this.tile()
    if (!this.doubt || this.current !== this.place || !tile) return
    const { left, top } = this.canvas.getBoundingClientRect()
    const [x, y] = [tile[0], tile[1]]
    const voxelUnder = (px, py) => this.voxelAt({ clientX: left + px, clientY: top + py }, true)
    const [first, next] = [voxelUnder(x, y), voxelUnder(x + STEP, y + STEP)]
    const [wide, high] = [STEP / (next[0] - first[0]), STEP / (next[1] - first[1])]
    context.save()
    context.beginPath()
    context.rect(x, y, tile[2] - x, tile[3] - y)
    context.clip()
    context.transform(wide, 0, 0, high, x - (first[0] + 0.5) * wide, y - (first[1] + 0.5) * high)
    context.drawImage(this.doubt, 0, 0)
    context.restore()
  }

  /** Pixels of the page for a millimetre, in our plane. */
  pixelsPerMm() {
    const tile = this.niivue.screenSlices.find((one) => one.axCorSag === SLICE_TYPES[this.axis])
    return tile ? Math.abs(tile.leftTopWidthHeight[2]) / Math.abs(tile.fovMM[0]) / this.scale : 0
  }

  setWindow(low, high) {
    const volume = this.niivue.volumes[0]
    if (!volume) return
    volume.cal_min = low
    volume.cal_max = Math.max(high, low + 1e-3)
    this.window = [volume.cal_min, volume.cal_max]
    this.niivue.updateGLVolume()
    this.moved()
  }

  setOpacity(share) {
    this.niivue.setDrawOpacity(share)
  }

  get zoomed() {
    return this.niivue.scene.pan2Dxyzmm[3]
  }

  /** Zoom about a place on the page (an event), or the middle. */
  zoom(factor, event = null) {
    const before = event && this.voxelAt(event)
    const pan = [...this.niivue.scene.pan2Dxyzmm]
    pan[3] = Math.min(20, Math.max(0.5, pan[3] * factor))
    this.setPan(pan)
    const after = before && this.voxelAt(event, true)
    if (after) this.shift([after[0] - before[0], after[1] - before[1]])
    this.moved()
  }

  setPan(pan) {
    this.niivue.setPan2Dxyzmm(pan)
  }

  /** Move the picture by voxels of our plane. */
  shift(voxels) {
    const pan = [...this.niivue.scene.pan2Dxyzmm]
    const spacing = this.niivue.volumes[0].pixDimsRAS.slice(1, 4)
    const axes = [0, 1, 2].filter((axis) => axis !== this.axis)
    axes.forEach((axis, k) => { pan[axis] += voxels[k] * spacing[axis] * pan[3] })
    this.setPan(pan)
  }

  /** Move the picture by page pixels. */
  pan(dx, dy) {
    const box = this.canvas.getBoundingClientRect()
    const [left, top, right, bottom] = this.tile()
    const [x, y] = [box.left + (left + right) / 2, box.top + (top + bottom) / 2]
    const here = this.voxelAt({ clientX: x, clientY: y }, true)
    const there = this.voxelAt({ clientX: x + dx, clientY: y + dy }, true)
    this.shift([there[0] - here[0], there[1] - here[1]])
    this.moved()
  }

  reset() {
    this.setPan([0, 0, 0, 1])
    this.setWindow(...this.range)
  }

  showPlanes(all) {
    const wanted = all ? SLICE_TYPE.MULTIPLANAR : SLICE_TYPES[this.axis]
    if (this.niivue.opts.sliceType !== wanted) this.niivue.setSliceType(wanted)
  }

  /** Where our plane crosses the other planes on the screen: pairs of page places. */
  crossings() {
    const nv = this.niivue
    const lines = []
    for (const axis of [0, 1, 2].filter((one) => one !== this.axis)) {
      const tile = this.tile(axis)
      const found = tile && nv.frac2canvasPosWithTile(nv.scene.crosshairPos, SLICE_TYPES[axis])
      if (!found) continue
      const [left, top, right, bottom] = tile
      const [x, y] = found.pos.map((one) => one / this.scale)
      const isAcross = this.axis === 2 || (this.axis === 1 && axis === 2) // our axis runs up and down there
      lines.push(isAcross ? [[left, y], [right, y]] : [[x, top], [x, bottom]])
    }
    return lines
  }

  /** The patient's sides at the edges of every plane on the screen: [letter, x, y] on the page. */
  markers() {
    return SIDES.flatMap((sides, axis) => {
      const tile = this.tile(axis)
      if (!tile) return []
      const [left, top, right, bottom] = tile
      const [x, y] = [(left + right) / 2, (top + bottom) / 2]
      const places = [[left + MARGIN, y], [right - MARGIN, y], [x, top + MARGIN], [x, bottom - MARGIN]]
      return places.map((place, k) => [sides[k], ...place])
    })
  }

  /** Left, top, right and bottom of a plane's part of the page; null where it is not shown. */
  tile(axis = this.axis) {
    const found = this.niivue.screenSlices.find((one) => one.axCorSag === SLICE_TYPES[axis])
    if (!found) return null
    const [left, top, width, height] = Array.from(found.leftTopWidthHeight, (one) => one / this.scale)
    return [Math.min(left, left + width), top, Math.max(left, left + width), top + height]
  }

  /** Pixels of the canvas for one of the page. */
  get scale() {
    return this.canvas.width / this.canvas.getBoundingClientRect().width
  }
}
