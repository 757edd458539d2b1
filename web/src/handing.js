// Handing in: submit, accept, set aside, and going back to an earlier answer.
import { get, post, send } from './api.js'
import { slips } from './checks.js'
import { ask, askReason, make } from './dialogs.js'

const el = (id) => document.getElementById(id)
const RETRY_MS = 2000
const SKIPS = ['Motion', 'Wrong region', 'Cannot tell', 'Artefact']

export class Handing {
  constructor(page) {
    this.page = page
  }

  get ready() {
    const { slice, isBusy, mode } = this.page
    return Boolean(slice) && !isBusy && mode !== 'settle'
  }

  /** The slice in question and every other that was drawn on, unless that was undone: index -> plane. */
  planes() {
    const { seen, viewer, touched, drafts } = this.page
    const planes = new Map([[seen.header.index, viewer.plane(viewer.place)]])
    for (const index of touched) {
      const place = this.page.placeOf(index)
      if (place === undefined) planes.set(index, drafts.planes.get(index))
      else if (!this.isUndone(index, place)) planes.set(index, viewer.plane(place))
    }
    for (const [index, plane] of planes) if (!plane) planes.delete(index)
    return planes
  }

  /** Whether what was drawn on a neighbour is as it was shown; what came as a draft was drawn before that. */
  isUndone(index, place) {
    const { header, sections } = this.page.seen
    const { source } = header.planes.find((one) => one.index === index)
    return source !== 'draft' && this.page.viewer.isPlaneOf(place, sections.labels)
  }

  /** Whether the slice in question was drawn on and is something else now than what accepting would store. */
  isDrawnOver() {
    const { seen, viewer, touched, began } = this.page
    return touched.has(seen.header.index) && viewer.plane(viewer.place).some((label, k) => label !== began[k])
  }

  /** Whether what was drawn beyond the slab is at hand, as handing in ends the draft; loading it is tried once more. */
  async isAllLoaded() {
    const { page } = this
    await page.loadWhole()
    const isLost = [...page.touched].some((index) => page.placeOf(index) === undefined && !page.drafts.planes.has(index))
    if (isLost) page.tell('What you drew on other slices could not be loaded, so nothing is handed in yet. Try again.')
    return !isLost
  }

  /** The other slices of `planes` by name; empty where there are none. */
  beside(planes) {
    const others = [...planes.keys()].filter((index) => index !== this.page.seen.header.index)
    return others.sort((a, b) => a - b).map((index) => `slice ${index + 1}`).join(', ')
  }

  async submit() {
    if (!this.ready) return
    const { page } = this
    if (page.isDrawnBeyond() && !(await this.isAllLoaded())) return
    const planes = this.planes()
    const asked = page.seen.header.index
    const found = slips(planes.get(asked), page.began, ...page.viewer.planeShape, page.classes)
    const beside = this.beside(planes)
    if (beside) found.push(`You also drew on ${beside}; that is handed in as well.`)
    if (found.length) {
      const list = make('ul', {}, ...found.map((one) => make('li', {}, one)))
      if (!(await ask('Hand it in like this?', list, [['Back', false], ['Submit', true, true]]))) return
    }
    const { slice } = page
    await this.handIn(() => send(page.purpose === 'review' ? 'review/correct' : 'submit', slice, planes), planes)
  }

  async accept() {
    if (!this.ready) return
    const { page } = this
    const { slice } = page
    if (page.isDrawnBeyond() && !(await this.isAllLoaded())) return
    const beside = this.beside(this.planes())
    if (beside) return page.hint(`You also drew on ${beside}, which accepting would drop: submit with Enter instead.`)
    const isReview = page.purpose === 'review'
    if (!isReview && !page.seen.sections.proposal) return page.hint('This slice comes without a proposal: draw it.')
    if (this.isDrawnOver()) return page.hint('You drew on this slice: submit with Enter, or undo.')
    if (isReview) return this.handIn(() => post('review/accept', { slice }))
    const plane = page.seen.sections.proposal.slice()
    await this.handIn(() => post('accept_proposal', { slice }), new Map([[page.seen.header.index, plane]]))
  }

  async setAside(state) {
    if (!this.ready || this.page.purpose === 'review') return
    const { slice } = this.page
    const reason = await askReason(state === 'skipped' ? 'Skip' : 'Flag as unreadable', SKIPS)
    if (!reason) return
    await this.handIn(async () => {
      await this.page.drafts.flush() // it is kept, and shown again where the slice is taken up again
      return post('aside', { slice, state, reason })
    })
  }

  /** Nothing is drawn until the server has answered: what it takes is what is on the screen. */
  async handIn(deed, planes = new Map()) {
    const { page } = this
    page.tell(null)
    page.busy(true)
    try {
      await page.drafts.pause() // a draft that came after the answer would be one of nothing
      const told = await this.untilAnswered(deed)
      await page.drafts.close()
      await this.carryOver(planes)
      if (told.outcome === 'late') page.tell('Your time for that slice was over. Your answer is kept as a version beside the other one.')
      else if (told.outcome === 'in_review' && told.dice !== null) page.tell(`The two readings differ (Dice ${told.dice.toFixed(2)}); an admin settles it.`)
      await page.next()
    } catch (error) {
      page.drafts.send(0)
      page.busy(false)
      page.fail(error)
    }
  }

  async untilAnswered(deed) {
    while (true) {
      try {
        return await deed()
      } catch (error) {
        if (error.kind !== 'offline') throw error
        this.page.offline('The connection is lost. Your answer is kept in this browser and is handed in when the server answers.')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  /** What was just handed in is known to the slice that waits, if it is of the same case. */
  async carryOver(planes) {
    const { page } = this
    const waiting = await page.ahead?.view
    if (!waiting || waiting.header.case !== page.seen.header.case) return
    const size = planes.values().next().value?.length
    for (const [index, plane] of planes) {
      const there = waiting.header.planes.find((one) => one.index === index)
      if (!there || there.source === 'draft' || page.viewer.axis !== 2) continue
      waiting.sections.labels.set(plane, there.place * size)
    }
    if (page.viewer.axis !== 2) page.ahead = null
  }

  async mine() {
    const mine = await get('mine')
    const rows = mine.map((one) => make('tr', {}, make('td', {}, one.slice_id), make('td', {}, one.state.replace('_', ' ')),
      make('td', {}, make('button', { 'aria-label': `Change ${one.slice_id}`, onclick: () => { el('dialog').close(); this.reopen(one.slice_id) } }, 'Change'))))
    const table = make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'My answers' }, make('table', {}, make('tbody', {}, ...rows)))
    await ask('My answers', rows.length ? table : make('p', {}, 'You have not handed in anything yet.'), [['Close', true, true]])
  }

  async reopen(slice) {
    const { page } = this
    page.tell(null)
    page.busy(true)
    try {
      page.setModeButtons('work')
      await page.open(await post('reopen', { slice }))
    } catch (error) {
      page.busy(false)
      page.fail(error)
    }
  }
}
