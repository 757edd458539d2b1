// Plane geometry on labels: discs, lines, filled polygons, floods, pieces, and the shape between two shapes. No page, no NiiVue.
// A plane is a Uint8Array of `width * height`, columns fastest.

/** Paint a disc of `diameter` pixels along the line from a to b ([column, row]). */
export function paintLine(plane, width, height, a, b, diameter, label) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(b[0] - a[0], b[1] - a[1])))
  for (let k = 0; k <= steps; k++) {
    const at = [a[0] + ((b[0] - a[0]) * k) / steps, a[1] + ((b[1] - a[1]) * k) / steps]
    paintDisc(plane, width, height, at, diameter, label)
  }
}

function paintDisc(plane, width, height, [column, row], diameter, label) {
  const reach = diameter / 2
  for (let y = Math.max(0, Math.ceil(row - reach)); y <= Math.min(height - 1, row + reach); y++) {
    for (let x = Math.max(0, Math.ceil(column - reach)); x <= Math.min(width - 1, column + reach); x++) {
      if ((x - column) ** 2 + (y - row) ** 2 <= reach * reach) plane[x + y * width] = label
    }
  }
  const x = Math.round(column)
  const y = Math.round(row)
  if (x >= 0 && y >= 0 && x < width && y < height) plane[x + y * width] = label
}

/** Paint the inside of a polygon, its outline included. */
export function paintPolygon(plane, width, height, points, label) {
  for (let y = 0; y < height; y++) {
    const crossings = []
    points.forEach(([x1, y1], k) => {
      const [x2, y2] = points[(k + 1) % points.length]
      if (y1 <= y !== y2 <= y) crossings.push(x1 + ((y - y1) / (y2 - y1)) * (x2 - x1))
    })
    crossings.sort((a, b) => a - b)
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const last = Math.min(width - 1, Math.floor(crossings[k + 1]))
      for (let x = Math.max(0, Math.ceil(crossings[k])); x <= last; x++) plane[x + y * width] = label
    }
  }
  points.forEach((point, k) => paintLine(plane, width, height, point, points[(k + 1) % points.length], 1, label))
}

/** Give the connected area of one label around [column, row] the label `label`. */
export function flood(plane, width, height, [column, row], label) {
  const from = plane[column + row * width]
  if (from === label) return
  const queue = [column + row * width]
  plane[queue[0]] = label
  while (queue.length) for (const next of around(queue.pop(), width, height)) {
    if (plane[next] === from) {
      plane[next] = label
      queue.push(next)
    }
  }
}

/** Sizes of the connected pieces of `label`, largest first. */
export function pieces(plane, width, height, label) {
  const seen = new Uint8Array(plane.length)
  const sizes = []
  for (let start = 0; start < plane.length; start++) {
    if (plane[start] !== label || seen[start]) continue
    const queue = [start]
    seen[start] = 1
    let size = 0
    while (queue.length) {
      size++
      for (const next of around(queue.pop(), width, height)) {
        if (plane[next] === label && !seen[next]) {
          seen[next] = 1
          queue.push(next)
        }
      }
    }
    sizes.push(size)
  }
  return sizes.sort((a, b) => b - a)
}

/** The plane between two, `share` of the way up: where the weighed mean of a class's signed distances is inside; the deepest wins. */
export function between(below, above, width, height, classes, share = 0.5) {
  const result = new Uint8Array(below.length)
  const best = new Float32Array(below.length)
  for (const label of classes) {
    const low = signedDistance(below, width, height, label)
    const high = signedDistance(above, width, height, label)
    if (!low || !high) continue
    for (let k = 0; k < result.length; k++) {
      const depth = (1 - share) * low[k] + share * high[k]
      if (depth > best[k]) {
        best[k] = depth
        result[k] = label
      }
    }
  }
  return result
}

function signedDistance(plane, width, height, label) {
  if (!plane.includes(label)) return null
  const inside = distance(plane, width, height, (value) => value !== label)
  const outside = distance(plane, width, height, (value) => value === label)
  return inside.map((value, k) => value - outside[k])
}

function distance(plane, width, height, isZero) {
  const far = width + height
  const result = Float32Array.from(plane, (value) => (isZero(value) ? 0 : far))
  const relax = (k, x, y, dx, dy, cost) => {
    if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height) {
      result[k] = Math.min(result[k], result[k + dx + dy * width] + cost)
    }
  }
  for (const way of [-1, 1]) {
    for (let step = 0; step < plane.length; step++) {
      const k = way < 0 ? step : plane.length - 1 - step
      const x = k % width
      const y = (k - x) / width
      relax(k, x, y, way, 0, 1)
      relax(k, x, y, 0, way, 1)
      relax(k, x, y, way, way, Math.SQRT2)
      relax(k, x, y, -way, way, Math.SQRT2)
    }
  }
  return result
}

function* around(k, width, height) {
  const x = k % width
  if (x > 0) yield k - 1
  if (x < width - 1) yield k + 1
  if (k >= width) yield k - width
  if (k < width * (height - 1)) yield k + width
}
