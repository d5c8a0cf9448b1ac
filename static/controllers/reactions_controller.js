import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
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

  // Shown at once; the server's copy of the message replaces it, and a refusal takes it back.
  async #set(message, emoji) {
    const adding = toggleReaction(message, emoji)
    try {
      const answer = await request(adding ? "PUT" : "DELETE", `/api/messages/${idOf(message)}/reactions/${encodeURIComponent(emoji)}`)
      if (answer.ok) return
      toast(reason(answer))
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("Not sent: the server does not answer.")
    }
    toggleReaction(message, emoji)
  }
}
