import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { firstVisible } from "../helpers/anchor.js"
import { copyText, morph, parse, sibling } from "../helpers/dom.js"
import { group } from "../helpers/grouping.js"
import { idOf, isMine, prepare, seqOf } from "../helpers/message.js"
import { ThreadPages } from "../helpers/thread_pages.js"

const MOST = 200
const SLACK = 50
const EARLY = "600px 0px"
const POINTED_MS = 2500
const AGAIN_MS = 3000

// The messages of one thread: puts what arrives in its place, and pages both ways with a bounded number of elements.
export default class extends Controller {
  static targets = ["scroller", "list", "start", "end", "codebutton"]
  static values = { thread: String, last: Number, read: Number, before: Boolean, after: Boolean, anchor: Number, around: { type: String, default: "around" } }

  #pages
  #marker = null
  #edges
  #again

  initialize() { this.#pages = new ThreadPages(this.threadValue) }

  connect() {
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("reset", this.#reset)
    window.addEventListener("mode", this.#mode)
    if (this.lastValue > this.readValue) this.#marker = this.readValue
    for (const article of this.#articles) prepare(article, this.codebuttonTarget)
    this.#group()
    this.#edges = new IntersectionObserver((seen) => this.#reached(seen), { root: this.scrollerTarget, rootMargin: EARLY })
    queueMicrotask(() => this.#open()) // when the controllers beside this one are there too
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("reset", this.#reset)
    window.removeEventListener("mode", this.#mode)
    this.#edges.disconnect()
    clearTimeout(this.#again)
  }

  // A quote or a permalink inside the page.
  jump(event) {
    event.preventDefault()
    this.#jump(Number(event.currentTarget.dataset.seq))
  }

  async latest() {
    if (this.afterValue && !(await this.#replace({ before: Number.MAX_SAFE_INTEGER }))) return
    this.#follow.toEnd()
  }

  copyCode({ currentTarget }) { copyText(currentTarget.parentElement.querySelector("code").textContent) }

  // While nobody looks and all is read, what comes next will be new.
  looked() {
    if (document.visibilityState === "hidden" && this.readValue >= this.lastValue) this.#marker = this.readValue
  }

  marked({ detail: { thread, seq } }) {
    if (thread === this.threadValue) this.readValue = Math.max(this.readValue, seq)
  }

  beforeValueChanged() {
    const [beginning, loading] = this.startTarget.children
    beginning.hidden = this.beforeValue
    loading.hidden = !this.beforeValue
  }

  afterValueChanged() {
    this.endTarget.hidden = !this.afterValue
    if (this.#follow) this.#follow.partial = this.afterValue
  }

  get #follow() { return sibling(this, "follow") }

  get #articles() { return [...this.listTarget.querySelectorAll(":scope > article")] }

  #open() {
    this.#follow.partial = this.afterValue
    const linked = /^#message_[\w-]+$/.test(location.hash) && this.listTarget.querySelector(location.hash)
    const target = linked || this.#bySeq(this.anchorValue)
    const scroller = this.scrollerTarget
    scroller.scrollTop = scroller.scrollHeight
    const line = this.listTarget.querySelector(".day[data-new]")
    if (target) this.#point(target)
    else if (line && line.getBoundingClientRect().top < scroller.getBoundingClientRect().top) scroller.scrollTop += line.getBoundingClientRect().top - scroller.getBoundingClientRect().top
    this.#follow.scrolled()
    scroller.dataset.ready = ""
    this.#observe()
  }

  // --- what arrives ---

  #changes = ({ detail: { items } }) => {
    const ours = items.filter(({ table, op, html, row }) =>
      table === "project_chat_messages" && (op === "delete" || html) && (!row || row.thread_id === this.threadValue))
    if (!ours.length) return
    this.#pages.note(ours)
    this.#follow.keep(() => {
      for (const item of ours) this.#apply(item)
      if (this.#follow.following) this.#unload("before")
      else if (this.#articles.length > MOST + SLACK) this.#unload(this.#far)
      this.#group()
    })
  }

  #apply({ op, id, html }) {
    const current = document.getElementById(`message_${id}`)
    if (op === "delete") return current?.remove()
    const fresh = prepare(parse(html), this.codebuttonTarget)
    if (current?.parentElement === this.listTarget) return this.#update(current, fresh)
    const isNew = seqOf(fresh) > this.lastValue
    this.lastValue = Math.max(this.lastValue, seqOf(fresh))
    this.dispatch("arrived", { detail: { id: idOf(fresh), clientId: fresh.dataset.clientId } })
    this.#insert(fresh, isNew)
  }

  #update(current, fresh) {
    const kept = [...current.querySelectorAll(":scope > .msg__tools, :scope > .msg__main > .editor")]
    const focused = document.activeElement
    const [start, end] = [focused?.selectionStart, focused?.selectionEnd]
    for (const element of kept) element.remove()
    fresh.tabIndex = current.tabIndex
    fresh.toggleAttribute("data-follow", current.hasAttribute("data-follow"))
    morph(current, fresh)
    for (const element of kept) {
      if (element.matches(".editor")) current.querySelector(".msg__main > .prose").after(element)
      else current.append(element)
    }
    // Who is in the middle of a word goes on writing: what was moved has lost the focus and the caret.
    if (focused === document.activeElement || !kept.some((element) => element.contains(focused))) return
    focused.focus({ preventScroll: true })
    if (start !== undefined) focused.setSelectionRange(start, end)
  }

  #insert(message, isNew) {
    const articles = this.#articles
    const before = articles.findLast((one) => seqOf(one) < seqOf(message))
    if (isNew && !isMine(message)) this.#follow.count()
    if (before === articles.at(-1)) this.#append(message)
    else if (before) before.after(message)
    else if (!this.beforeValue) this.listTarget.prepend(message)
  }

  #append(message) {
    if (this.afterValue) return
    message.dataset.new = ""
    this.listTarget.append(message)
  }

  #group() { group(this.#articles, { marker: this.#marker, whole: !this.beforeValue }) }

  // --- pages ---

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

  get #far() {
    const { scrollTop, clientHeight, scrollHeight } = this.scrollerTarget
    return scrollTop + clientHeight / 2 < scrollHeight / 2 ? "after" : "before"
  }

  #observe() {
    for (const edge of [this.startTarget, this.endTarget]) {
      this.#edges.unobserve(edge) // an edge that stays in view does not intersect anew
      this.#edges.observe(edge)
    }
  }

  #reached(seen) {
    for (const { isIntersecting, target } of seen) {
      if (isIntersecting && target === this.startTarget && this.beforeValue) this.#page("before")
      if (isIntersecting && target === this.endTarget && this.afterValue) this.#page("after")
    }
  }

  // A page that could not be read is asked for again: after a moment, or when the connection is back.
  async #read(place) {
    const page = await this.#pages.read(place)
    if (!this.element.isConnected) return null
    clearTimeout(this.#again)
    if (!page) this.#again = setTimeout(() => this.#observe(), AGAIN_MS)
    return page
  }

  #mode = ({ detail: { state } }) => state !== "offline" && this.#observe()

  async #page(side) {
    const edge = this.#articles.at(side === "before" ? 0 : -1)
    if (this.#pages.reading || !edge) return
    const page = await this.#read({ [side]: seqOf(edge) })
    if (!page) return
    const fresh = this.#built(page).filter(({ id }) => !document.getElementById(id))
    this.#follow.keep(() => {
      if (side === "before") this.listTarget.prepend(...fresh)
      else this.listTarget.append(...fresh)
      if (side === "before") this.beforeValue = page.has_before
      else this.afterValue = page.has_after
      this.#unload(side === "before" ? "after" : "before")
      this.#settle()
    })
  }

  async #replace(place) {
    const page = await this.#read(place)
    if (!page) return false
    this.listTarget.replaceChildren(...this.#built(page))
    this.beforeValue = page.has_before
    this.afterValue = page.has_after
    this.#settle()
    return true
  }

  #built({ messages }) { return messages.map(({ html }) => prepare(parse(html), this.codebuttonTarget)) }

  #settle() {
    for (const item of this.#pages.takeMissed()) this.#apply(item)
    this.#group()
    this.#observe()
  }

  async #jump(seq) {
    if (!this.#bySeq(seq) && !(await this.#replace({ around: seq }))) return
    const target = this.#bySeq(seq)
    if (target) this.#point(target)
  }

  #bySeq(seq) { return seq ? this.listTarget.querySelector(`:scope > [data-seq="${Number(seq)}"]`) : null }

  #point(message) {
    this.#follow.leaveEnd()
    message.scrollIntoView({ block: "center" })
    message.dataset.target = ""
    message.focus({ preventScroll: true })
    setTimeout(() => message.removeAttribute("data-target"), POINTED_MS)
  }

  // The log no longer reaches back to where this page stands: read it anew, at the same place.
  #reset = () => {
    const address = new URL(location.href)
    const place = this.#follow.following ? null : firstVisible(this.scrollerTarget)
    if (place) address.searchParams.set(this.aroundValue, place.dataset.seq)
    else address.searchParams.delete(this.aroundValue)
    address.hash = ""
    history.replaceState(history.state, "", address) // the conversation beside this one adds its own place
    visit(address.href, { action: "replace" })
  }
}
