// What the page asks of the server. Every failure becomes an Error with a `kind`: offline, signed-out, or the server's own.
import { pack, unpack } from './wire.js'

const LOCK_MS = 1000

/** This tab's name, the same after a reload. A tab that a browser duplicates gets one of its own: the first holds the name's lock. */
export const tab = await claim(sessionStorage.getItem('askance-tab') ?? crypto.randomUUID())

async function claim(name) {
  sessionStorage.setItem('askance-tab', name)
  if (!navigator.locks) return name // no secure context: a duplicated tab passes for the first
  const waiting = new AbortController()
  const timer = setTimeout(() => waiting.abort(), LOCK_MS)
  const held = await new Promise((resolve) => {
    navigator.locks.request(`askance-tab ${name}`, { signal: waiting.signal }, () => {
      resolve(true)
      return new Promise(() => {}) // until the tab is closed
    }).catch(() => resolve(false))
  })
  clearTimeout(timer)
  return held ? name : claim(crypto.randomUUID())
}

export class Refused extends Error {
  constructor(kind, message, status) {
    super(message)
    this.kind = kind
    this.status = status
  }
}

async function ask(method, path, body) {
  const headers = { 'X-Askance': '1' }
  if (body !== undefined && !(body instanceof Blob)) {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(body)
  }
  let answer
  try {
    answer = await fetch(path, { method, headers, body, credentials: 'same-origin' })
  } catch {
    throw new Refused('offline', 'The server does not answer.', 0)
  }
  if (answer.ok) return answer
  if (answer.status === 401) throw new Refused('signed-out', 'Your link does not work, or not any more.', 401)
  const told = await answer.json().catch(() => ({}))
  if (answer.status >= 502 && !told.error) throw new Refused('offline', 'The server does not answer.', answer.status) // a proxy's
  throw new Refused(told.kind ?? 'refused', told.error ?? `The server refused (${answer.status}).`, answer.status)
}

const query = (slice, more = {}) => new URLSearchParams({ slice, tab, ...more })
const json = async (answer) => (await answer).json()

export const get = (path) => json(ask('GET', `/api/${path}`))
export const text = async (path) => (await ask('GET', `/api/${path}`)).text()
export const post = (path, body = {}) => json(ask('POST', `/api/${path}`, { tab, ...body }))

export async function view(slice, reach, channel) {
  const more = reach === null ? { channel } : { reach, channel }
  const answer = await ask('GET', `/api/view?${query(slice, more)}`)
  return unpack(await answer.arrayBuffer())
}

export async function version(slice, number) {
  return new Uint8Array(await (await ask('GET', `/api/version?${query(slice, { number })}`)).arrayBuffer())
}

export const saveDraft = async (slice, planes) => json(ask('PUT', `/api/draft?${query(slice)}`, await pack(planes)))
export const send = async (path, slice, planes) => json(ask('POST', `/api/${path}?${query(slice)}`, await pack(planes)))
