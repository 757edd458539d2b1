// The slice in hand: a sign of life every while, and what is said where it is in hand no more, or none is.
import { Refused, post } from './api.js'

/** Why there is no slice to work on. */
export const NOTHING = {
  empty: 'Nothing has been asked yet. An admin starts the first cycle; this page shows the slices when they are chosen.',
  finished: 'This query is done. Thank you. The next cycle can be trained now; new slices appear here by themselves.',
  training: 'This query is done. Thank you. The next cycle is being trained; new slices appear here by themselves.',
  others: 'All slices that are left are in other people’s hands. New ones appear here by themselves.',
  review: 'Every slice of this query is answered; some wait for review.',
  reviewed: 'There is nothing to review now.',
  elsewhere: 'You have this study open in another tab or on another machine. What is drawn there is saved.',
}

/** While the next cycle is trained the notice says so. */
export function sayWhy(kind, job) {
  if (kind !== 'finished') return
  const words = NOTHING[['queued', 'running'].includes(job?.state) ? 'training' : 'finished']
  const said = document.querySelector('#notice p')
  if (said.textContent !== words) said.textContent = words
}

const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel']

/** Whether anybody touched the page within the time that a slice stays in hand. */
const isAnybodyThere = (page) => Date.now() - page.touchedAt < page.leaseMs

/** Note every input; the first after a long while asks at once whose the slice is. */
export function watch(page) {
  const note = () => {
    const wasThere = isAnybodyThere(page)
    page.touchedAt = Date.now()
    if (!wasThere) renew(page)
  }
  for (const name of INPUTS) addEventListener(name, note, { capture: true, passive: true })
}

/** A sign of life, but of a page that nobody is at none: its slice goes to somebody else. */
export async function keep(page) {
  if (isAnybodyThere(page)) await renew(page)
}

/** Put what is in hand to be answered, and was not drawn on, back into the queue. */
export async function letGo(page) {
  const mine = page.slice && !page.touched.size ? [page.slice] : []
  await page.asking // for a slice ahead
  if (page.ahead) mine.push(page.ahead.slice)
  page.ahead = null
  for (const slice of mine) await post('give_back', { slice }).catch(() => {}) // it lapses in the usual time
}

/** Tell the server that this tab lives; it says whether the slice is still in its hands. */
export async function renew(page) {
  const { slice } = page
  const asked = slice && page.mode !== 'settle'
  const told = await post('renew', asked ? { slice } : {}).catch((error) => page.fail(error))
  if (!told || !asked || slice !== page.slice || page.isBusy || page.isLost || told.hold === 'here') return
  if (told.hold === 'tab') return page.fail(new Refused('other_tab', '', 409))
  page.isLost = true
  const next = ['Next slice', () => page.next()]
  if (told.state === 'queried' && page.purpose === 'answer') {
    page.tell('Your time for this slice was over and it went back to the queue. What you drew is kept. ', [['Take it again', () => page.handing.reopen(slice)], next])
  } else {
    const who = told.state === 'leased' ? 'somebody else has it now' : 'it was taken over'
    page.tell(`Your time for this slice was over: ${who}. What you drew is kept; handed in, it is a version beside theirs. `, [next])
  }
}
