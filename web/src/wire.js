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
