// What an admin sees beside the slices: who may work on the study, and the audit log.
import { get, post } from './api.js'
import { ask, make } from './dialogs.js'

const el = (id) => document.getElementById(id)
const day = (iso) => (iso ? iso.slice(0, 10) : '–')
const cells = (...values) => values.map((one) => make('td', {}, one))
const head = (...names) => make('thead', {}, make('tr', {}, ...names.map((name) => make('th', { scope: 'col' }, name))))

function scrolling(name, table) {
  return make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': name }, table)
}

/** The people of the study: add, give a new link, revoke. A link is shown once. */
export async function showPeople(me, fail) {
  const body = make('tbody', { id: 'people' })
  const told = make('div', { id: 'new-link', role: 'status' })
  const refresh = async () => body.replaceChildren(...(await get('users')).map((one) => personRow(one, me, deeds)))
  const attempt = (deed) => async (...given) => {
    try {
      await deed(...given)
      await refresh()
      return true
    } catch (error) {
      told.replaceChildren(make('p', { class: 'warn' }, error.message))
      return false
    }
  }
  const deeds = {
    link: attempt(async (name, role, days) => told.replaceChildren(...linkOf(await post('users', { name, role, days })))),
    revoke: attempt(async (name) => {
      const { tokens } = await post('users/revoke', { name })
      told.replaceChildren(make('p', {}, `${name}: ${tokens} ${tokens === 1 ? 'link works' : 'links work'} no more.`))
    }),
  }
  try {
    await refresh()
  } catch (error) {
    return fail(error)
  }
  const table = make('table', {}, head('Name', 'Role', 'Links that work', 'Until', 'Change'), body)
  await ask('People', [scrolling('People', table), addForm(deeds.link), told], [['Close', true]], 'wide')
}

function personRow(one, me, deeds) {
  const renew = make('button', { 'aria-label': `New link for ${one.name}`, onclick: () => deeds.link(one.name, one.role, 30) }, 'New link')
  const revoke = make('button', { 'aria-label': `Revoke the links of ${one.name}`, disabled: !one.tokens || one.name === me, onclick: () => deeds.revoke(one.name) }, 'Revoke')
  return make('tr', {}, ...cells(one.name, one.role, String(one.tokens), day(one.expires_at), make('span', {}, renew, ' ', revoke)))
}

function addForm(add) {
  const name = make('input', { type: 'text', id: 'person-name', maxlength: 64, required: true, autocomplete: 'off' })
  const role = make('select', { id: 'person-role' }, ...['expert', 'reviewer', 'admin'].map((one) => make('option', {}, one)))
  const days = make('input', { type: 'number', id: 'person-days', min: 1, max: 3650, value: 30 })
  const form = make('form', { 'aria-label': 'Add a person' }, make('label', {}, 'Name ', name), make('label', {}, 'Role ', role),
    make('label', {}, 'Days that the link works ', days), make('button', { class: 'main', type: 'submit' }, 'Add'))
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (await add(name.value.trim(), role.value, Number(days.value))) name.value = ''
  })
  return form
}

function linkOf({ name, enter }) {
  const link = new URL(enter, location.origin).href
  const field = make('input', { type: 'text', id: 'link', readonly: true, value: link, 'aria-label': `Link for ${name}` })
  const copy = make('button', { onclick: () => { field.select(); navigator.clipboard?.writeText(link) } }, 'Copy')
  return [make('p', {}, `The link for ${name}. It is shown this once and works like a password: send it to nobody else.`), field, copy]
}

/** The newest lines of the audit log, of all slices or of one. */
export async function showAudit(fail) {
  const body = make('tbody', { id: 'audit' })
  const filter = make('input', { type: 'text', id: 'audit-slice', maxlength: 300, placeholder: 'case/axis/index' })
  const refresh = async () => {
    const slice = filter.value.trim()
    const lines = await get(`audit?${new URLSearchParams({ last: 500, ...(slice ? { slice } : {}) })}`)
    body.replaceChildren(...lines.reverse().map(auditRow))
  }
  filter.addEventListener('change', () => refresh().catch(fail))
  try {
    await refresh()
  } catch (error) {
    return fail(error)
  }
  const table = make('table', {}, head('When (UTC)', 'Who', 'What', 'Slice', 'From version', 'More'), body)
  const content = [make('label', {}, 'Only of slice ', filter), scrolling('Audit log', table)]
  await ask('Audit log: the newest 500 lines', content, [['Close', true, true]], 'wide')
}

function auditRow({ at, who, what, slice_id, from_version, detail }) {
  const more = Object.entries(detail).map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ')
  return make('tr', {}, ...cells(at.slice(0, 19).replace('T', ' '), who, what, slice_id ?? '', String(from_version ?? ''), more))
}
