// The score map as a picture: clear where the model trusts itself, from orange to red where it doesn't, never opaque.
const FROM = 50 // of 255: less doubt is not shown
const MOST = 120 // of 255: image and labels are to be seen through the reddest
const [FIRST, LAST] = [[255, 170, 0], [255, 10, 10]]

/** RGBA of a doubt of 0 to 255. */
export function colourOf(doubt) {
  const share = Math.max(0, (doubt - FROM) / (255 - FROM))
  return [...FIRST.map((one, k) => Math.round(one + share * (LAST[k] - one))), Math.round(share * MOST)]
}

/** A canvas of a pixel a voxel, of a plane's doubt in rows of `columns`. */
export function pictureOf(plane, columns, rows) {
  const canvas = new OffscreenCanvas(columns, rows)
  const pixels = new Uint8ClampedArray(4 * plane.length)
  plane.forEach((doubt, k) => pixels.set(colourOf(doubt), 4 * k))
  canvas.getContext('2d').putImageData(new ImageData(pixels, columns, rows), 0, 0)
  return canvas
}
