// The text of one answer while it arrives in pieces. Offsets count Unicode characters, not UTF-16 units.
export class Answer {
  text = ""
  length = 0
  attempt
  #ahead = []

  // True when everything heard so far fits together; false while something before a piece is missing.
  add(offset, piece, { attempt = this.attempt, reset = false } = {}) {
    if (reset || attempt !== this.attempt) this.#restart(attempt)
    this.#ahead.push([offset, piece])
    this.#ahead.sort(([one], [other]) => one - other)
    while (this.#ahead.length && this.#ahead[0][0] <= this.length) this.#take(...this.#ahead.shift())
    return !this.#ahead.length
  }

  #take(offset, piece) {
    const fresh = [...piece].slice(this.length - offset)
    this.text += fresh.join("")
    this.length += fresh.length
  }

  #restart(attempt) {
    Object.assign(this, { attempt, text: "", length: 0 })
    this.#ahead = []
  }
}
