// What the page asks of the server. Every failure becomes an Error with a `kind`: offline, signed-out, or the server's own.
import { pack, unpack } from './wire.js'

const LOCK_MS = 1000
const ANSWER_MS = 1000

/** This tab's name, the same after a reload. A tab that a browser duplicates gets one of its own: the first holds the name. */
export const tab = await claim(sessionStorage.getItem('askance-tab') ?? newName())

/** Made of what a page has over plain http, too. */
function newName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, '0')).join('')
}

async function claim(name) {
  sessionStorage.setItem('askance-tab', name)
  const held = navigator.locks ? await isLocked(name) : await isUnanswered(name)
  return held ? name : claim(newName())
}

/** Whether this tab got the name's lock. */
async function isLocked(name) {
  const waiting = new AbortController()
  const timer = setTimeout(() => waiting.abort(), LOCK_MS)
  const held = await new Promise((resolve) => {
    navigator.locks.request(`askance-tab ${name}`, { signal: waiting.signal }, () => {
      resolve(true)
      return new Promise(() => {}) // until the tab is closed
    }).catch(() => resolve(false))
  })
  clearTimeout(timer)
  return held
}

/** Without a secure context there are no locks: whether no other tab says that the name is its own; from now on this one does. */
async function isUnanswered(name) {
  const channel = new BroadcastChannel('askance-tab')
  const taken = await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ANSWER_MS)
    channel.onmessage = ({ data }) => {
      if (data.mine !== name) return
      clearTimeout(timer)
      resolve(true)
    }
    channel.postMessage({ whose: name })
  })
  channel.onmessage = ({ data }) => { if (data.whose === name) channel.postMessage({ mine: name }) }
  if (taken) channel.close()
  return !taken
}

export class Refused extends Error {
  constructor(kind, message, status) {
    super(message)
    this.kind = kind
    this.status = status
  }
}

async function ask(method, path, body, more = {}) {
  const headers = { 'X-Askance': '1' }
  if (body !== undefined && !(body instanceof Blob)) {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(body)
  }
  let answer
  try {
    answer = await fetch(path, { method, headers, body, credentials: 'same-origin', ...more })
  } catch {
    throw new Refused('offline', 'The server does not answer.', 0)
  }
  if (answer.ok) return answer
  if (answer.status === 401) throw new Refused('signed-out', 'Your link does not work, or not any more.', 401)
  const told = await answer.json().catch(() => ({}))
  if (answer.status >= 502 && !told.error) throw new Refused('offline', 'The server does not answer.', answer.status) // a proxy's
  throw new Refused(told.kind ?? 'refused', told.error ?? `The server refused (${answer.status}).`, answer.status)
}

/** Say that this tab closes, in a request that outlives it; a page that comes back from the browser's cache is heard again soon. */
export const leave = () => ask('POST', '/api/leave', { tab }, { keepalive: true }).catch(() => {})

const query = (slice, more = {}) => new URLSearchParams({ slice, tab, ...more })
const json = async (answer) => (await answer).json()

export const get = (path) => json(ask('GET', `/api/${path}`))
export const text = async (path) => (await ask('GET', `/api/${path}`)).text()
export const post = (path, body = {}) => json(ask('POST', `/api/${path}`, { tab, ...body }))

export async function view(slice, reach, channel) {
  const more = reach === null ? { channel } : { reach, channel }
  const answer = await ask('GET', `/api/view?${query(slice, more)}`)
  return { ...unpack(await answer.arrayBuffer()), channel }
}

export async function version(slice, number) {
  return new Uint8Array(await (await ask('GET', `/api/version?${query(slice, { number })}`)).arrayBuffer())
}

export const saveDraft = async (slice, planes) => json(ask('PUT', `/api/draft?${query(slice)}`, await pack(planes)))
export const send = async (path, slice, planes) => json(ask('POST', `/api/${path}?${query(slice)}`, await pack(planes)))
