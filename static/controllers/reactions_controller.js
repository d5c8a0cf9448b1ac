import { Controller } from "@hotwired/stimulus"
import { outbox } from "../outbox.js"
import { sibling, toast } from "../helpers/dom.js"
import { idOf, isActive } from "../helpers/message.js"
import { toggleReaction } from "../helpers/reactions.js"

const GAP = 8

// Reacting to a message: by a button under it, or by the small picker.
export default class extends Controller {
  static targets = ["picker"]

  #message

  toggle({ currentTarget: button }) { this.#set(button.closest("article"), button.dataset.emoji) }

  open(event) {
    this.#message = sibling(this, "tools").chosen()
    if (!this.#message || !isActive(this.#message)) return
    const button = event.currentTarget instanceof Element && event.currentTarget.closest(".msg__tools button")
    this.pickerTarget.showPopover()
    this.#place((button || this.#message).getBoundingClientRect())
  }

  pick({ params }) {
    this.pickerTarget.hidePopover()
    if (!this.#message?.isConnected) return
    this.#set(this.#message, params.emoji)
    this.#message.focus({ preventScroll: true })
  }

  #place(from) {
    const { style } = this.pickerTarget
    const { width, height } = this.pickerTarget.getBoundingClientRect()
    style.left = `${Math.max(GAP, Math.min(from.right, innerWidth - GAP) - width)}px`
    style.top = `${from.top > height + GAP ? from.top - height - GAP / 2 : Math.min(from.bottom + GAP / 2, innerHeight - height - GAP)}px`
  }

  // Shown at once. Without an answer it waits in the outbox, which takes it back when it is refused.
  async #set(message, emoji) {
    const adding = toggleReaction(message, emoji)
    const id = idOf(message)
    const entry = outbox.add({
      kind: "reaction", thread: message.dataset.thread, method: adding ? "PUT" : "DELETE",
      path: `/api/messages/${id}/reactions/${encodeURIComponent(emoji)}`,
      about: { message: id, emoji, adding, text: adding ? emoji : `${emoji} taken back` },
    })
    if ((await entry.first) !== "failed") return
    toast(entry.reason)
    outbox.forget(entry.key)
  }
}
