// Slices on the wire, as server/wire.py has them: a length, a JSON header, bytes.

/** Header and sections (name -> Uint8Array) of a view. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)))
  const sections = {}
  for (const [name, [at, size]] of Object.entries(header.sections)) {
    sections[name] = new Uint8Array(buffer, 8 + length + at, size)
  }
  return { header, sections }
}

/** An upload of planes: Map of slice index -> Uint8Array. */
export async function pack(planes) {
  const header = new TextEncoder().encode(JSON.stringify({ planes: [...planes.keys()] }))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, header.length, true)
  const packed = new Blob([...planes.values()]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Blob([length, header, await new Response(packed).arrayBuffer()])
}

/** The NIfTI file of `image` with other voxels: uint8, same geometry. */
export function likewise(image, voxels) {
  const offset = new DataView(image.buffer, image.byteOffset).getFloat32(108, true)
  const file = new Uint8Array(offset + voxels.length)
  file.set(image.subarray(0, offset))
  const header = new DataView(file.buffer)
  header.setInt16(70, 2, true) // uint8
  header.setInt16(72, 8, true)
  header.setFloat32(112, 1, true)
  header.setFloat32(116, 0, true)
  header.setFloat32(124, 255, true)
  header.setFloat32(128, 0, true)
  file.set(voxels, offset)
  return file.buffer
}

/** A plane as text: runs of equal labels. */
export function encode(plane) {
  const runs = []
  for (let k = 0, start = 0; k <= plane.length; k++) {
    if (k === plane.length || plane[k] !== plane[start]) {
      runs.push(plane[start].toString(36) + ':' + (k - start).toString(36))
      start = k
    }
  }
  return runs.join(',')
}

/** The inverse of `encode`. */
export function decode(text, size) {
  const plane = new Uint8Array(size)
  let at = 0
  for (const run of text.split(',')) {
    const [label, length] = run.split(':').map((one) => parseInt(one, 36))
    plane.fill(label, at, at + length)
    at += length
  }
  return plane
}
