// The slice in hand: a sign of life every while, and what is said where it is in hand no more.
import { Refused, post } from './api.js'

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
