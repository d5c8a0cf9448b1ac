import { Controller } from "@hotwired/stimulus"
import { atBottom, keep } from "../helpers/anchor.js"

// Where the reader stands: at the end, which is then followed, or above it, which then never moves; a pill leads back.
export default class extends Controller {
  static targets = ["scroller", "pill"]

  following = true
  partial = false // whether newer messages exist that are not on the page
  #unseen = 0
  #top = 0
  #sizes

  connect() {
    this.#sizes = new ResizeObserver(() => this.#resized())
    this.#sizes.observe(this.scrollerTarget)
    for (const part of this.scrollerTarget.children) this.#sizes.observe(part)
  }

  disconnect() { this.#sizes.disconnect() }

  scrolled() {
    this.#top = this.scrollerTarget.scrollTop
    this.following = this.#atEnd
    if (this.following) this.#unseen = 0
    this.#show()
  }

  // Runs a change inside the scroller without moving what is being read.
  keep(change) {
    this.following = this.#atEnd // the scroll event may not have come yet
    this.following = keep(this.scrollerTarget, change, { stick: !this.partial }) && !this.partial
    this.#top = this.scrollerTarget.scrollTop
    this.#show()
  }

  count() {
    if (!this.following) this.#unseen++
  }

  toEnd() {
    this.scrollerTarget.scrollTop = this.scrollerTarget.scrollHeight
    this.scrolled()
  }

  leaveEnd() { this.following = false }

  get #atEnd() { return !this.partial && atBottom(this.scrollerTarget) }

  // What resizes must not lose the end; who scrolled up in the same frame has left it.
  #resized() {
    const scroller = this.scrollerTarget
    if (this.following && (scroller.scrollTop >= this.#top || atBottom(scroller))) this.toEnd()
  }

  #show() {
    const { scrollHeight, scrollTop, clientHeight } = this.scrollerTarget
    const near = !this.partial && scrollHeight - scrollTop < 2 * clientHeight
    this.pillTarget.hidden = this.following || (!this.#unseen && near)
    this.pillTarget.querySelector("span").textContent = this.#unseen ? `${this.#unseen} new` : "Latest"
  }
}
