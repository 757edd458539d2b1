// The budget curve as a small picture: Dice over labelled slices.
const NS = 'http://www.w3.org/2000/svg'
const [LEFT, WIDTH, TOP, BOTTOM] = [30, 205, 16, 74]
const MARGIN = 0.02

export function drawCurve(points) {
  const svg = document.createElementNS(NS, 'svg')
  const dice = points.map((one) => one.dice)
  const [low, high] = [Math.min(...dice) - MARGIN, Math.max(...dice) + MARGIN]
  const first = points[0].labelled
  const last = Math.max(points.at(-1).labelled, first + 1)
  const at = (one) => [LEFT + (WIDTH * (one.labelled - first)) / (last - first), BOTTOM - ((BOTTOM - TOP) * (one.dice - low)) / (high - low)]
  const add = (name, attributes, words = '') => {
    const element = document.createElementNS(NS, name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    element.textContent = words
    svg.append(element)
  }
  svg.setAttribute('viewBox', '0 0 260 90')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `Dice over labelled slices. ${points.map((one) => `${one.labelled} slices: ${one.dice.toFixed(3)}`).join(', ')}`)
  add('polyline', { points: points.map((one) => at(one).join(',')).join(' '), fill: 'none', stroke: '#6cb6ee', 'stroke-width': 2 })
  for (const one of points) {
    const [x, y] = at(one)
    add('circle', { cx: x, cy: y, r: 3, fill: '#6cb6ee' })
    add('text', { x: x - 10, y: y - 6, fill: '#eef1f3', 'font-size': 10 }, one.dice.toFixed(2))
    add('text', { x: x - 8, y: 86, fill: '#b3bec7', 'font-size': 9 }, String(one.labelled))
  }
  return svg
}
