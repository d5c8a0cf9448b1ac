// Changes a scroller's content without moving what is being read.
const NEAR = 48

export const atBottom = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR

// `stick`: follow the end if the reader was there. Answers whether the end is in view afterwards.
export function keep(scroller, change, { stick = true } = {}) {
  const following = stick && atBottom(scroller)
  const place = following ? null : placeIn(scroller)
  change()
  if (following) scroller.scrollTop = scroller.scrollHeight
  else hold(scroller, place)
  return following || atBottom(scroller)
}

// What is being read, and where on the screen.
export function placeIn(scroller) {
  const article = firstVisible(scroller)
  return article && { article, top: topOf(article) }
}

export function hold(scroller, place) {
  if (place?.article.isConnected) scroller.scrollTop += topOf(place.article) - place.top
}

// Where a message's words begin: the head above them goes when a message of the same author is put before it.
function topOf(article) {
  const parts = [...article.querySelectorAll(":scope > .msg__main > :not(.msg__head)")]
  return (parts.find((part) => part.checkVisibility()) ?? article).getBoundingClientRect().top
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
