import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { Offline, request } from "../helpers/api.js"
import { atBottom, firstVisible, keep, lastVisible } from "../helpers/anchor.js"
import { copyText, debounce, morph, parse, somethingOpen } from "../helpers/dom.js"
import { group } from "../helpers/grouping.js"
import { fillNames, me, nameOf } from "../helpers/roster.js"
import { fillTimes, formatted } from "../helpers/times.js"
import ReactionsController from "./reactions_controller.js"

const PAGE = 50
const MOST = 200
const READ_AFTER_MS = 400

// The messages of one thread: puts what arrives in its place, pages both ways with a bounded number of elements,
// and never moves what is being read.
export default class extends Controller {
  static targets = ["scroller", "list", "start", "end", "pill", "writing", "waiting", "codebutton"]
  static values = { thread: String, last: Number, read: Number, before: Boolean, after: Boolean, anchor: Number }

  #following = true
  #top = 0
  #marker = null
  #unseen = 0
  #loading = null
  #missed = []
  #edges
  #sizes
  #markReadSoon = debounce(() => this.#markRead(), READ_AFTER_MS)

  connect() {
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("reset", this.#reset)
    document.addEventListener("visibilitychange", this.#looked)
    window.addEventListener("focus", this.#looked)
    if (this.lastValue > this.readValue) this.#marker = this.readValue
    for (const article of this.#articles) this.#prepare(article)
    this.#group()
    this.#open()
    this.#edges = new IntersectionObserver((seen) => this.#reached(seen), { root: this.scrollerTarget, rootMargin: "600px 0px" })
    this.#edges.observe(this.startTarget)
    this.#edges.observe(this.endTarget)
    this.#sizes = new ResizeObserver(() => this.#resized())
    for (const element of [this.scrollerTarget, this.listTarget, this.writingTarget, this.waitingTarget]) this.#sizes.observe(element)
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("reset", this.#reset)
    document.removeEventListener("visibilitychange", this.#looked)
    window.removeEventListener("focus", this.#looked)
    this.#edges.disconnect()
    this.#sizes.disconnect()
    this.#markReadSoon.cancel()
  }

  scrolled() {
    this.#top = this.scrollerTarget.scrollTop
    this.#following = !this.afterValue && atBottom(this.scrollerTarget)
    if (this.#following) this.#unseen = 0
    this.#showPill()
    this.#markReadSoon()
  }

  // A quote or a permalink inside the page.
  jump(event) {
    event.preventDefault()
    this.#jump(Number(event.currentTarget.dataset.seq))
  }

  async latest() {
    if (this.afterValue && !(await this.#replace({ before: Number.MAX_SAFE_INTEGER }))) return
    this.#toEnd()
  }

  copyCode({ currentTarget }) { copyText(currentTarget.parentElement.querySelector("code").textContent) }

  // Runs a change inside the scroller, for the controllers that share it.
  keep(change) {
    this.#following = !this.afterValue && atBottom(this.scrollerTarget) // the scroll event may not have come yet
    this.#following = keep(this.scrollerTarget, change, { stick: !this.afterValue }) && !this.afterValue
    this.#top = this.scrollerTarget.scrollTop
  }

  get #articles() { return [...this.listTarget.querySelectorAll(":scope > article")] }

  get #first() { return Number(this.listTarget.querySelector(":scope > article")?.dataset.seq ?? 0) }

  get #lastShown() { return Number(this.#articles.at(-1)?.dataset.seq ?? 0) }

  #open() {
    const scroller = this.scrollerTarget
    const linked = /^#message_[\w-]+$/.test(location.hash) && document.getElementById(location.hash.slice(1))
    const target = linked || (this.anchorValue && this.#bySeq(this.anchorValue))
    if (target) this.#point(target)
    else {
      scroller.scrollTop = scroller.scrollHeight
      const line = this.listTarget.querySelector(".day[data-new]")
      if (line && line.getBoundingClientRect().top < scroller.getBoundingClientRect().top) line.scrollIntoView({ block: "start" })
    }
    scroller.dataset.ready = ""
    this.scrolled()
  }

  #changes = ({ detail: { items } }) => {
    const mine = items.filter(({ table, op, html, row }) =>
      table === "project_chat_messages" && (op === "delete" || html) && (!row?.thread_id || row.thread_id === this.threadValue))
    if (!mine.length) return
    if (this.#loading) this.#missed.push(...mine)
    this.keep(() => {
      for (const item of mine) this.#apply(item)
      if (this.#following) this.#unload("before")
      else if (this.#articles.length > MOST + PAGE) this.#unload("after")
      this.#group()
    })
    this.#showPill()
    this.#markReadSoon()
  }

  #apply({ op, id, html, seq: change }) {
    const current = document.getElementById(`message_${id}`)
    if (op === "delete") return current?.remove()
    const fresh = parse(html)
    if (fresh.dataset.thread !== this.threadValue) return
    this.#prepare(fresh)
    const isNews = Number(fresh.dataset.seq) > this.lastValue // else an old one changed that is not loaded here
    this.#arrived(fresh, op === "insert" || !current ? change : null)
    if (current?.parentElement === this.listTarget) return this.#update(current, fresh)
    current?.remove()
    if (isNews) this.#countUnseen(fresh)
    this.#insert(fresh)
  }

  #arrived(message, isNew) {
    this.lastValue = Math.max(this.lastValue, Number(message.dataset.seq))
    if (isNew !== null) this.dispatch("arrived", { detail: { id: message.id, clientId: message.dataset.clientId, mine: "mine" in message.dataset } })
  }

  #update(current, fresh) {
    const kept = [...current.querySelectorAll(":scope > .msg__tools, :scope > .msg__main > .editor")]
    for (const element of kept) element.remove()
    fresh.tabIndex = current.tabIndex
    fresh.toggleAttribute("data-active", current.hasAttribute("data-active"))
    fresh.toggleAttribute("data-follow", current.hasAttribute("data-follow"))
    morph(current, fresh)
    for (const element of kept) (element.matches(".editor") ? current.querySelector(".msg__main .prose").after(element) : current.append(element))
  }

  #insert(message) {
    const seq = Number(message.dataset.seq)
    const articles = this.#articles
    const before = articles.findLast((one) => Number(one.dataset.seq) < seq)
    if (before === articles.at(-1)) return this.#append(message)
    if (before) before.after(message)
    else if (!this.beforeValue) this.listTarget.prepend(message)
  }

  #append(message) {
    if (this.afterValue) return
    message.dataset.new = ""
    this.listTarget.append(message)
  }

  #countUnseen(message) {
    if (!this.#following && !("mine" in message.dataset)) this.#unseen++
  }

  // What the server cannot know: who I am, how names read here, which code can be copied.
  #prepare(message) {
    fillNames(message)
    fillTimes(message)
    const mine = message.dataset.author === `person:${document.body.dataset.me}`
    message.toggleAttribute("data-mine", mine)
    const handle = me()?.handle
    message.toggleAttribute("data-mention", !mine && Boolean(handle && message.querySelector(`.mention[data-mention="${CSS.escape(handle)}"]`)))
    message.setAttribute("aria-label", `${nameOf(message.dataset.author)}, ${formatted(new Date(message.dataset.at), "time")}`)
    for (const box of message.querySelectorAll(".prose .code")) {
      const pre = box.querySelector("pre")
      Object.assign(pre, { tabIndex: 0, role: "group", ariaLabel: box.dataset.lang ? `Code, ${box.dataset.lang}` : "Code" })
      if (!box.querySelector(":scope > button")) box.append(this.codebuttonTarget.content.cloneNode(true))
    }
    ReactionsController.show(message)
  }

  #group() { group(this.#articles, { marker: this.#marker, whole: !this.beforeValue }) }

  // Keeps the number of elements bounded by dropping what is farthest from the reader.
  #unload(side) {
    const articles = this.#articles
    const extra = articles.length - MOST
    if (extra <= 0) return
    for (const message of side === "before" ? articles.slice(0, extra) : articles.slice(-extra)) {
      if (message.previousElementSibling?.matches(".day")) message.previousElementSibling.remove()
      message.remove()
    }
    if (side === "before") this.beforeValue = true
    else this.afterValue = true
  }

  #reached(seen) {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue
      if (target === this.startTarget && this.beforeValue) this.#page("before")
      if (target === this.endTarget && this.afterValue) this.#page("after")
    }
  }

  async #page(side) {
    if (this.#loading || !this.#first) return
    const answer = await this.#fetch(side === "before" ? { before: this.#first } : { after: this.#lastShown })
    if (!answer) return
    const articles = this.#built(answer.messages).filter(({ id }) => !document.getElementById(id))
    this.keep(() => {
      if (side === "before") this.listTarget.prepend(...articles)
      else this.listTarget.append(...articles)
      if (side === "before") this.beforeValue = answer.has_before
      else this.afterValue = answer.has_after
      this.#unload(side === "before" ? "after" : "before")
      this.#replay()
      this.#group()
    })
    this.#observeAgain()
  }

  async #replace(place) {
    const answer = await this.#fetch(place)
    if (!answer) return false
    this.listTarget.replaceChildren(...this.#built(answer.messages))
    this.beforeValue = answer.has_before
    this.afterValue = answer.has_after
    this.#replay()
    this.#group()
    this.#observeAgain()
    return true
  }

  // Reads one page. What changes meanwhile is kept, because the page may be older than it.
  async #fetch(place) {
    if (this.#loading) await this.#loading
    this.#missed = []
    const query = new URLSearchParams({ ...place, limit: PAGE })
    this.#loading = request("GET", `/api/threads/${this.threadValue}/messages?${query}`)
    try {
      const { ok, data } = await this.#loading
      return ok ? data : null
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      return null
    } finally {
      this.#loading = null
    }
  }

  #built(messages) {
    return messages.map(({ html }) => {
      const article = parse(html)
      this.#prepare(article)
      return article
    })
  }

  #replay() {
    const missed = this.#missed
    this.#missed = []
    for (const item of missed) this.#apply(item)
  }

  // An edge that stays in view does not intersect anew: ask again.
  #observeAgain() {
    for (const edge of [this.startTarget, this.endTarget]) {
      this.#edges.unobserve(edge)
      this.#edges.observe(edge)
    }
  }

  beforeValueChanged() {
    const [beginning, loading] = this.startTarget.children
    beginning.hidden = this.beforeValue
    loading.hidden = !this.beforeValue
  }

  afterValueChanged() { this.endTarget.hidden = !this.afterValue }

  async #jump(seq) {
    if (!this.#bySeq(seq) && !(await this.#replace({ around: seq }))) return
    const target = this.#bySeq(seq)
    if (target) this.#point(target)
  }

  #bySeq(seq) { return this.listTarget.querySelector(`:scope > [data-seq="${Number(seq)}"]`) }

  #point(message) {
    this.#following = false
    message.scrollIntoView({ block: "center" })
    message.dataset.target = ""
    message.focus({ preventScroll: true })
    setTimeout(() => message.removeAttribute("data-target"), 2500)
  }

  #toEnd() {
    this.scrollerTarget.scrollTop = this.scrollerTarget.scrollHeight
    this.#top = this.scrollerTarget.scrollTop
    this.#following = !this.afterValue
  }

  // What resizes must not lose the end; who scrolled up in the same frame has left it.
  #resized() {
    const scroller = this.scrollerTarget
    if (this.#following && (scroller.scrollTop >= this.#top || atBottom(scroller))) this.#toEnd()
  }

  #showPill() {
    this.pillTarget.hidden = this.#following || (!this.#unseen && !this.afterValue && this.#nearEnd())
    this.pillTarget.querySelector("span").textContent = this.#unseen ? `${this.#unseen} new` : "Latest"
  }

  #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scrollerTarget
    return scrollHeight - scrollTop < 2 * clientHeight
  }

  #looked = () => {
    if (document.visibilityState === "visible" && document.hasFocus()) this.#markReadSoon()
    else if (document.visibilityState === "hidden" && this.readValue >= this.lastValue) this.#marker = this.readValue
  }

  // The read mark follows what was in view while the person looked, and never moves back.
  #markRead() {
    if (document.visibilityState !== "visible" || !document.hasFocus()) return
    const seq = Number(lastVisible(this.#articles, this.scrollerTarget)?.dataset.seq ?? 0)
    if (seq <= this.readValue) return
    this.readValue = seq
    document.dispatchEvent(new CustomEvent("room:read", { detail: { thread: this.threadValue, seq } }))
    request("PUT", `/api/threads/${this.threadValue}/read`, { body: { seq } }).catch((error) => {
      if (!(error instanceof Offline)) throw error
    })
  }

  // The log no longer reaches back to where this page stands: read it anew, at the same place.
  #reset = () => {
    const place = this.#following ? null : firstVisible(this.scrollerTarget)?.dataset.seq
    const address = new URL(location.href)
    if (place) address.searchParams.set("around", place)
    else address.searchParams.delete("around")
    address.hash = ""
    visit(address.href, { action: "replace" })
  }
}
