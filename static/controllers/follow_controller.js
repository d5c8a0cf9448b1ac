import { Controller } from "@hotwired/stimulus"
import { atBottom, hold, keep, placeIn } from "../helpers/anchor.js"

// Where the reader stands: at the end, which is then followed, or above it, which then never moves; a pill leads back.
export default class extends Controller {
  static targets = ["scroller", "pill"]

  following = false // until it is known where the page opens
  partial = false // whether newer messages exist that are not on the page
  #unseen = 0
  #top = 0
  #place
  #sizes

  connect() {
    this.#sizes = new ResizeObserver(() => this.#resized())
    this.#sizes.observe(this.scrollerTarget)
    for (const part of this.scrollerTarget.children) this.#sizes.observe(part)
  }

  disconnect() { this.#sizes.disconnect() }

  scrolled() {
    this.following = this.#stays
    if (this.scrollerTarget.scrollTop !== this.#top) this.#stand() // what was resized in this frame is still to be told
    if (this.following) this.#unseen = 0
    this.#show()
  }

  // Runs a change inside the scroller without moving what is being read.
  keep(change) {
    this.#resized() // neither the scroll event nor the new size may have been told yet
    this.following = this.#stays
    this.following = keep(this.scrollerTarget, change, { stick: !this.partial }) && !this.partial
    this.#stand()
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

  // What resizes must lose neither the end nor what is being read; who scrolled in the same frame has left both.
  #resized() {
    const scroller = this.scrollerTarget
    if (this.following && this.#stays) return this.toEnd()
    if (this.following || scroller.scrollTop !== this.#top) return
    hold(scroller, this.#place)
    this.#top = scroller.scrollTop
  }

  #stand() {
    this.#top = this.scrollerTarget.scrollTop
    this.#place = placeIn(this.scrollerTarget)
  }

  #show() {
    const { scrollHeight, scrollTop, clientHeight } = this.scrollerTarget
    const near = !this.partial && scrollHeight - scrollTop < 2 * clientHeight
    this.pillTarget.hidden = this.following || (!this.#unseen && near)
    this.pillTarget.querySelector("span").textContent = this.#unseen ? `${this.#unseen} new` : "Latest"
  }
}
