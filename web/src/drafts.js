// What is drawn and not handed in: in this browser at once, on the server within a second.
import { saveDraft } from './api.js'
import { decode, encode } from './wire.js'

const DELAY_MS = 300
const RETRY_MS = 2000

export class Drafts {
  /** `study` is its key, which is its own whatever its name; `told(state)` is called with saved, saving, waiting, or an error that ends the drawing. */
  constructor(user, study, told) {
    this.prefix = `askance-draft ${study} ${user} `
    this.told = told
    this.timer = null
    this.sending = Promise.resolve()
    this.slice = null
    this.planes = new Map()
    this.unsent = new Set()
  }

  /** Begin with a slice; gives back planes (index -> plane) that this browser has and the server may not. */
  open(slice, size) {
    this.slice = slice
    this.planes = new Map()
    this.unsent = new Set()
    for (const [index, text] of Object.entries(this.stored(slice))) {
      this.planes.set(Number(index), decode(text, size))
      this.unsent.add(Number(index))
    }
    if (this.unsent.size) this.send(0)
    return this.planes
  }

  stored(slice) {
    try {
      return JSON.parse(localStorage.getItem(this.prefix + slice) ?? '{}')
    } catch {
      return {}
    }
  }

  /** Keep a plane: in the browser now, on the server soon. */
  keep(index, plane) {
    this.planes.set(index, plane)
    this.unsent.add(index)
    this.store()
    this.told('saving')
    this.send(DELAY_MS)
  }

  store() {
    const unsent = Object.fromEntries([...this.unsent].map((index) => [index, encode(this.planes.get(index))]))
    try {
      if (this.unsent.size) localStorage.setItem(this.prefix + this.slice, JSON.stringify(unsent))
      else localStorage.removeItem(this.prefix + this.slice)
    } catch {
      // full or forbidden: the server has it within the second
    }
  }

  send(delay) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.flush(), delay)
  }

  /** Send what is not sent yet, after what is under way. */
  flush() {
    clearTimeout(this.timer)
    this.sending = this.sending.then(() => this.sendNow())
    return this.sending
  }

  async sendNow() {
    const { slice } = this
    const now = new Map([...this.unsent].map((index) => [index, this.planes.get(index)]))
    if (!now.size) return
    try {
      await saveDraft(slice, now)
    } catch (error) {
      if (slice !== this.slice) return
      this.told(error.kind === 'offline' ? 'waiting' : error)
      if (error.kind === 'offline') this.send(RETRY_MS)
      return
    }
    if (slice !== this.slice) return
    for (const [index, plane] of now) if (this.planes.get(index) === plane) this.unsent.delete(index)
    this.store()
    this.told(this.unsent.size ? 'saving' : 'saved')
  }

  /** Nothing more is sent, from when what is under way arrived until `send`. */
  async pause() {
    clearTimeout(this.timer)
    await this.sending
    clearTimeout(this.timer)
  }

  /** The slice is handed in: nothing of it is a draft any more. */
  async close() {
    await this.pause()
    localStorage.removeItem(this.prefix + this.slice)
    this.unsent = new Set()
    this.planes = new Map()
  }
}
