import { Controller } from "@hotwired/stimulus"
import { atBottom, keep } from "../helpers/anchor.js"

// Where the reader stands: at the end, which is then followed, or above it, which then never moves; a pill leads back.
export default class extends Controller {
  static targets = ["scroller", "pill"]

  following = false // until it is known where the page opens
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
    this.following = this.#stays
    this.#top = this.scrollerTarget.scrollTop
    if (this.following) this.#unseen = 0
    this.#show()
  }

  // Runs a change inside the scroller without moving what is being read.
  keep(change) {
    this.#resized() // neither the scroll event nor the new size may have been told yet
    this.following = this.#stays
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

  // Who followed and did not scroll up still does, though what grew beside the scroller covers the end.
  get #stays() {
    const scroller = this.scrollerTarget
    return !this.partial && (atBottom(scroller) || (this.following && scroller.scrollTop >= this.#top))
  }

  // What resizes must not lose the end; who scrolled up in the same frame has left it.
  #resized() {
    if (this.following && this.#stays) this.toEnd()
  }

  #show() {
    const { scrollHeight, scrollTop, clientHeight } = this.scrollerTarget
    const near = !this.partial && scrollHeight - scrollTop < 2 * clientHeight
    this.pillTarget.hidden = this.following || (!this.#unseen && near)
    this.pillTarget.querySelector("span").textContent = this.#unseen ? `${this.#unseen} new` : "Latest"
  }
}
