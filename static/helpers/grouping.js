// What one message cannot know of itself: whether it follows the same author, and which line stands before it.
import { dayKey, dayName } from "./times.js"

const TOGETHER = 5 * 60 * 1000

// Gives each article data-follow, and puts day lines and the line "new" between them.
// marker: the seq up to which the reader had read when he came, or null. whole: whether nothing older exists.
export function group(articles, { marker = null, whole = true, now = new Date() } = {}) {
  let previous = null
  let marked = marker === null
  for (const article of articles) {
    const date = new Date(article.dataset.at)
    const newDay = !previous || dayKey(previous.date) !== dayKey(date)
    const isNew = !marked && Number(article.dataset.seq) > marker && !("mine" in article.dataset) && Boolean(previous || whole)
    if (isNew) marked = true
    separate(article, newDay ? dayName(date, now) : "", isNew)
    article.toggleAttribute("data-follow", !newDay && !isNew && follows(article, previous, date))
    previous = { article, date }
  }
}

function follows(article, previous, date) {
  const { kind, author } = article.dataset
  return kind !== "system" && author === previous.article.dataset.author && date - previous.date < TOGETHER &&
    !article.querySelector(":scope > .msg__main > .quote")
}

function separate(article, day, isNew) {
  const words = isNew ? (day ? `${day} · new` : "New") : day
  let line = article.previousElementSibling
  if (!line?.matches(".day")) line = null
  if (!words) return line?.remove()
  if (!line) {
    line = Object.assign(document.createElement("h2"), { className: "day" })
    article.before(line)
  }
  if (line.textContent !== words) line.textContent = words
  line.toggleAttribute("data-new", isNew)
}
