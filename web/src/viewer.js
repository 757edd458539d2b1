// NiiVue as our screen: it shows a slab in the patient's axes and the labels on it, and says which voxel a pixel is.
// It is handed volumes whose axes are the patient's already, so its drawing has the order of ours.
import { Niivue, NVImage, SLICE_TYPE } from './vendor/niivue.js'
import { likewise } from './wire.js'

const SLICE_TYPES = [SLICE_TYPE.SAGITTAL, SLICE_TYPE.CORONAL, SLICE_TYPE.AXIAL] // by display axis
const DOUBT = { R: [255, 255], G: [170, 0], B: [160, 10], A: [0, 255], I: [0, 255] }
const DOUBT_FROM = 50 // of 255: less is not shown
const DOUBT_OPACITY = 0.5
const TRANSPARENT_BELOW = 1 // NiiVue's colormapType: what lies below cal_min lets the picture through

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas
    this.niivue = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairWidth: 0,
      dragAndDropEnabled: false,
      isColorbar: false,
      isRadiologicalConvention: true,
      isOrientationTextVisible: true,
      showAllOrientationMarkers: true,
      fontColor: [1, 1, 1, 0.9],
      loadingText: '',
      logLevel: 'error',
      multiplanarForceRender: false,
      multiplanarShowRender: 0,
      show3Dcrosshair: false,
      isNearestInterpolation: false,
    })
    this.niivue.addColormap('askance-doubt', DOUBT)
  }

  async start(classes) {
    await this.niivue.attachToCanvas(this.canvas)
    const lut = { R: [], G: [], B: [], A: [], labels: [] }
    for (let k = 0; k < 256; k++) {
      const colour = classes.find((one) => one.id === k)?.colour ?? '#808080'
      lut.R.push(parseInt(colour.slice(1, 3), 16))
      lut.G.push(parseInt(colour.slice(3, 5), 16))
      lut.B.push(parseInt(colour.slice(5, 7), 16))
      lut.A.push(k ? 255 : 0)
      lut.labels.push(String(k))
    }
    this.niivue.setDrawColormap(lut)
  }

  /** Show a view as wire.unpack gives it; `keep` leaves zoom and window as they are. */
  async show({ header, sections }, keep = false) {
    const nv = this.niivue
    const window = keep && this.axis === header.axis ? this.window : null
    const bytes = sections.image.slice()
    const image = await NVImage.new(bytes.buffer, 'slice.nii', 'gray', 1)
    nv.closeDrawing()
    while (nv.volumes.length) nv.removeVolumeByIndex(0)
    nv.addVolume(image)
    this.axis = header.axis
    this.shape = image.dimsRAS.slice(1, 4)
    this.place = header.place
    this.range = [image.cal_min, image.cal_max]
    await this.addDoubt(bytes, sections.doubt)
    nv.createEmptyDrawing()
    nv.setSliceType(SLICE_TYPES[this.axis])
    if (!keep) nv.setPan2Dxyzmm([0, 0, 0, 1])
    this.setLabels(sections.labels)
    this.goTo(header.place)
    if (window) this.setWindow(...window)
    else this.window = [image.cal_min, image.cal_max]
  }

  async addDoubt(bytes, plane) {
    this.hasDoubt = Boolean(plane)
    if (!plane) return
    const voxels = new Uint8Array(this.shape[0] * this.shape[1] * this.shape[2])
    this.eachIndex(this.place, (k, at) => { voxels[k] = plane[at] })
    const overlay = await NVImage.new(likewise(bytes, voxels), 'doubt.nii', 'askance-doubt', 0, null, DOUBT_FROM, 255)
    overlay.colormapType = TRANSPARENT_BELOW
    this.niivue.addVolume(overlay)
  }

  showDoubt(shown) {
    if (this.hasDoubt) this.niivue.setOpacity(1, shown ? DOUBT_OPACITY : 0)
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

  /** [column, row] of a place on the page, with fractions; null where no plane of ours is. */
  voxelAt(event, anywhere = false) {
    const nv = this.niivue
    const box = this.canvas.getBoundingClientRect()
    const scale = this.canvas.width / box.width
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]
    const tile = nv.screenSlices.findIndex((one) => one.axCorSag === SLICE_TYPES[this.axis])
    if (tile < 0 || (!anywhere && nv.tileIndex(x, y) !== tile)) return null
    const fraction = nv.screenXY2TextureFrac(x, y, tile, !anywhere)
    if (fraction[0] < 0 && !anywhere) return null
    const voxel = this.shape.map((size, axis) => fraction[axis] * size - 0.5)
    return voxel.filter((_, axis) => axis !== this.axis)
  }

  /** The page's place of a [column, row]. */
  pageAt(voxel) {
    const at = [...voxel]
    at.splice(this.axis, 0, this.current)
    const nv = this.niivue
    const fraction = this.shape.map((size, axis) => (at[axis] + 0.5) / size)
    const found = nv.frac2canvasPos(fraction)
    if (!found) return null
    const scale = this.canvas.width / this.canvas.getBoundingClientRect().width
    return [found[0] / scale, found[1] / scale]
  }

  /** Pixels of the page for a millimetre, in our plane. */
  pixelsPerMm() {
    const [a, b] = [this.pageAt([0, 0]), this.pageAt([1, 0])]
    const first = [0, 1, 2].find((axis) => axis !== this.axis)
    return a && b ? Math.hypot(b[0] - a[0], b[1] - a[1]) / this.niivue.volumes[0].pixDimsRAS[first + 1] : 0
  }

  setWindow(low, high) {
    const volume = this.niivue.volumes[0]
    if (!volume) return
    volume.cal_min = low
    volume.cal_max = Math.max(high, low + 1e-3)
    this.window = [volume.cal_min, volume.cal_max]
    this.niivue.updateGLVolume()
  }

  setOpacity(share) {
    this.niivue.setDrawOpacity(share)
  }

  zoom(factor) {
    const pan = [...this.niivue.scene.pan2Dxyzmm]
    pan[3] = Math.min(20, Math.max(0.5, pan[3] * factor))
    this.niivue.setPan2Dxyzmm(pan)
  }

  /** Move the picture by page pixels. */
  pan(dx, dy) {
    const here = this.voxelAt({ clientX: 0, clientY: 0 }, true)
    const there = this.voxelAt({ clientX: dx, clientY: dy }, true)
    if (!here || !there) return
    const pan = [...this.niivue.scene.pan2Dxyzmm]
    const spacing = this.niivue.volumes[0].pixDimsRAS.slice(1, 4)
    const axes = [0, 1, 2].filter((axis) => axis !== this.axis)
    axes.forEach((axis, k) => { pan[axis] += (there[k] - here[k]) * spacing[axis] })
    this.niivue.setPan2Dxyzmm(pan)
  }

  reset() {
    this.niivue.setPan2Dxyzmm([0, 0, 0, 1])
    this.setWindow(...this.range)
  }

  showPlanes(all) {
    this.niivue.setSliceType(all ? SLICE_TYPE.MULTIPLANAR : SLICE_TYPES[this.axis])
  }
}
