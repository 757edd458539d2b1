// Before a slice is handed in: what looks like a slip. Warnings only; the expert decides.
import { pieces } from './shapes.js'

const SMALL_SHARE = 0.1

/** Sentences about the plane, compared with what it began as. */
export function slips(plane, began, width, height, classes) {
  const found = []
  if (!plane.some(Boolean) && !began.some(Boolean)) found.push('Nothing is drawn: the slice would be labelled as showing none of the structures.')
  for (const { id, name: given } of classes) {
    const name = given.replaceAll('_', ' ')
    const sizes = pieces(plane, width, height, id)
    const stray = sizes.slice(1).filter((size) => size < Math.max(6, SMALL_SHARE * sizes[0]))
    if (stray.length) {
      const largest = Math.max(...stray)
      found.push(`${name}: ${stray.length} small ${stray.length === 1 ? 'piece lies' : 'pieces lie'} apart (the largest has ${largest} ${largest === 1 ? 'pixel' : 'pixels'}).`)
    }
    if (!sizes.length && began.includes(id)) found.push(`${name} was there and is gone.`)
  }
  return found
}
