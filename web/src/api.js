// What the page asks of the server. Every failure becomes an Error with a `kind`: offline, signed-out, or the server's own.
import { pack, unpack } from './wire.js'

/** This tab's name, the same after a reload. */
export const tab = (() => {
  const known = sessionStorage.getItem('askance-tab')
  const name = known ?? crypto.randomUUID()
  sessionStorage.setItem('askance-tab', name)
  return name
})()

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
  if (answer.status >= 502) throw new Refused('offline', 'The server does not answer.', answer.status)
  const told = await answer.json().catch(() => ({}))
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
