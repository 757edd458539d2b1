import assert from 'node:assert/strict'
import test from 'node:test'
import { slips } from '../src/checks.js'
import { between, flood, paintLine, paintPolygon, pieces } from '../src/shapes.js'
import { colourOf } from '../src/doubt.js'
import { decode, encode, pack, unpack } from '../src/wire.js'

const W = 20
const H = 16
const empty = () => new Uint8Array(W * H)
const count = (plane, label) => plane.filter((one) => one === label).length

test('a line joins its ends, and a brush is as wide as it says', () => {
  const plane = empty()
  paintLine(plane, W, H, [2, 2], [12, 9], 1, 3)
  assert.equal(pieces(plane, W, H, 3).length <= 12, true)
  assert.equal(plane[2 + 2 * W], 3)
  assert.equal(plane[12 + 9 * W], 3)
  const wide = empty()
  paintLine(wide, W, H, [5, 8], [15, 8], 5, 1)
  assert.equal([...Array(H).keys()].filter((y) => wide[10 + y * W]).length, 5)
})

test('a brush at the border stays on the plane', () => {
  const plane = empty()
  paintLine(plane, W, H, [-3, -3], [W + 3, H + 3], 7, 1)
  assert.equal(plane.length, W * H)
})

test('a polygon is filled with its outline', () => {
  const plane = empty()
  paintPolygon(plane, W, H, [[3, 3], [12, 3], [12, 10], [3, 10]], 2)
  assert.equal(count(plane, 2), 10 * 8)
})

test('a flood stops at another label', () => {
  const plane = empty()
  paintLine(plane, W, H, [10, 0], [10, H - 1], 1, 1)
  flood(plane, W, H, [2, 2], 2)
  assert.equal(count(plane, 2), 10 * H)
  assert.equal(plane[15], 0)
})

test('half way between two discs lies a disc half way', () => {
  const [low, high] = [empty(), empty()]
  paintLine(low, W, H, [6, 8], [6, 8], 7, 1)
  paintLine(high, W, H, [12, 8], [12, 8], 7, 1)
  const middle = between(low, high, W, H, [1, 2])
  assert.equal(middle[9 + 8 * W], 1)
  assert.equal(middle[3 + 8 * W], 0)
  assert.deepEqual(between(low, low, W, H, [1]), low)
})

test('stray pieces and vanished classes are told, a clean plane is not', () => {
  const plane = empty()
  paintPolygon(plane, W, H, [[2, 2], [9, 2], [9, 9], [2, 9]], 1)
  const classes = [{ id: 1, name: 'muscle' }, { id: 2, name: 'blood' }]
  assert.deepEqual(slips(plane, plane, W, H, classes), [])
  const began = plane.slice()
  began[0] = 2
  plane[15 + 14 * W] = 1
  const told = slips(plane, began, W, H, classes)
  assert.match(told[0], /muscle: 1 small piece lies apart/)
  assert.match(told[1], /blood was there and is gone/)
})

test('an empty slice that nothing was drawn on is told, one that was emptied only by its classes', () => {
  const classes = [{ id: 1, name: 'muscle' }]
  const [plane, began] = [empty(), empty()]
  assert.match(slips(plane, began, W, H, classes)[0], /Nothing is drawn/)
  began[5] = 1
  assert.deepEqual(slips(plane, began, W, H, classes), ['muscle was there and is gone.'])
})

test('drafts and uploads come back as they were', async () => {
  const plane = Uint8Array.from({ length: W * H }, (_, k) => (k * 7) % 3)
  assert.deepEqual(decode(encode(plane), plane.length), plane)
  const body = new Uint8Array(await (await pack(new Map([[4, plane]]))).arrayBuffer())
  const length = new DataView(body.buffer).getUint32(0, true)
  assert.deepEqual(JSON.parse(new TextDecoder().decode(body.subarray(4, 4 + length))), { planes: [4] })
  const unpacked = new Blob([body.subarray(4 + length)]).stream().pipeThrough(new DecompressionStream('gzip'))
  assert.deepEqual(new Uint8Array(await new Response(unpacked).arrayBuffer()), plane)
})

test('a view is unpacked by its header', () => {
  const header = new TextEncoder().encode('{"a": 1, "sections": {"x": [0, 3]}}     ')
  const body = new Uint8Array(8 + header.length + 3)
  new DataView(body.buffer).setUint32(0, header.length, true)
  body.set(header, 8)
  body.set([7, 8, 9], 8 + header.length)
  const told = unpack(body.buffer)
  assert.equal(told.header.a, 1)
  assert.deepEqual([...told.sections.x], [7, 8, 9])
})

test('doubt is clear where there is little, and never hides what is under it', () => {
  assert.equal(colourOf(0)[3], 0)
  assert.equal(colourOf(50)[3], 0)
  const [some, most] = [colourOf(120), colourOf(255)]
  assert.ok(some[3] > 0 && some[3] < most[3] && most[3] <= 128)
  assert.ok(most[0] === 255 && most[1] < some[1])
})
