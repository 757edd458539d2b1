// Two people on one slice: how well they agree, and the admin's choice where they do not.
import { get, post, version, view } from './api.js'
import { ask, make } from './dialogs.js'

const el = (id) => document.getElementById(id)
const DIFFERENT = 255 // the viewer's colour for what two planes do not share
const LOOKS = ['first', 'second', 'difference']

export class Settling {
  constructor(page) {
    this.page = page
    for (const name of LOOKS) el(`show-${name}`).addEventListener('click', () => this.look(name))
    el('choose-first').addEventListener('click', () => this.choose(this.one.other))
    el('choose-second').addEventListener('click', () => this.choose(this.one.version))
    el('settle-later').addEventListener('click', () => this.page.setMode('review'))
  }

  /** All that was read twice, with its Dice; an admin may compare what waits. */
  async list() {
    const [{ mean, n, slices }, waiting] = await Promise.all([get('review/agreement'), get('review/disagreements')])
    const open = new Map(waiting.map((one) => [one.slice_id, one]))
    const isAdmin = this.page.me.role === 'admin'
    const rows = slices.map((one) => {
      const compare = make('button', { onclick: () => { el('dialog').close(); this.open(open.get(one.slice_id)) } }, 'Compare')
      const state = !open.has(one.slice_id) ? '' : isAdmin ? compare : 'waits for an admin'
      return make('tr', {}, make('td', {}, one.slice_id), make('td', {}, one.user), make('td', {}, one.dice === null ? 'both empty' : one.dice.toFixed(2)), make('td', {}, state))
    })
    const head = make('tr', {}, ...['Slice', 'Second reader', 'Dice between readers', 'To be settled'].map((name) => make('th', { scope: 'col' }, name)))
    const table = make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Slices read twice' }, make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows)))
    const words = n ? `Mean Dice between readers: ${mean.toFixed(3)} over ${n} ${n === 1 ? 'slice' : 'slices'}.` : 'No slice has been read by two people yet.'
    await ask('Two readers', [make('p', { id: 'agreement' }, words), ...(rows.length ? [table] : [])], [['Close', true, true]])
  }

  /** Show one disagreement to choose from. */
  async open(one) {
    const { page } = this
    this.one = one
    page.setMode('settle')
    try {
      const [seen, first, second] = await Promise.all([view(one.slice_id, page.reach, page.channel), version(one.slice_id, one.other), version(one.slice_id, one.version)])
      this.planes = { first, second, difference: first.map((label, k) => (label === second[k] ? 0 : DIFFERENT)) }
      await page.show(one.slice_id, seen)
      const wrong = this.planes.difference.filter(Boolean).length
      el('settle-dice').textContent = `Dice between the readers ${one.dice.toFixed(2)}; ${wrong} pixels differ.`
      this.look('first')
    } catch (error) {
      page.fail(error)
    }
  }

  look(name = this.looked) {
    this.looked = name
    for (const one of LOOKS) el(`show-${one}`).setAttribute('aria-pressed', String(one === name))
    const { viewer } = this.page
    viewer.setPlane(viewer.place, this.planes[name])
    viewer.refresh()
    this.page.looks.goTo(viewer.place)
  }

  async choose(number) {
    try {
      await post('review/settle', { slice: this.one.slice_id, version: number })
      await this.page.setMode('review')
    } catch (error) {
      this.page.fail(error)
    }
  }
}
