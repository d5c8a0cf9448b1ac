// Changes a scroller's content without moving what is being read.
const NEAR = 48

export const atBottom = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR

// `stick`: follow the end if the reader was there. Answers whether the end is in view afterwards.
export function keep(scroller, change, { stick = true } = {}) {
  const following = stick && atBottom(scroller)
  const anchor = following ? null : firstVisible(scroller)
  const before = anchor?.getBoundingClientRect().top
  change()
  if (following) scroller.scrollTop = scroller.scrollHeight
  else if (anchor?.isConnected) scroller.scrollTop += anchor.getBoundingClientRect().top - before
  return following || atBottom(scroller)
}

export function firstVisible(scroller) {
  const top = scroller.getBoundingClientRect().top
  return [...scroller.querySelectorAll("article")].find((element) => element.getBoundingClientRect().bottom > top)
}

// Whether a scroller stands on the screen: on a phone one conversation is beside the other.
export function inView(scroller) {
  const { left, right } = scroller.getBoundingClientRect()
  return left + right > 0 && left + right < 2 * innerWidth
}

export function lastVisible(articles, scroller) {
  const bottom = scroller.getBoundingClientRect().bottom + NEAR
  for (let at = articles.length - 1; at >= 0; at--) {
    if (articles[at].getBoundingClientRect().bottom <= bottom) return articles[at]
  }
  return null
}
