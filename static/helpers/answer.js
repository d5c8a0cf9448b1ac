// The text of one answer while it arrives in pieces. Offsets count Unicode characters, not UTF-16 units.
export class Answer {
  text = ""
  length = 0

  // True when the piece fitted; false when something before it is missing.
  add(offset, piece) {
    if (offset === 0 && this.length > 0) this.reset()
    if (offset > this.length) return false
    const characters = [...piece]
    const fresh = characters.slice(this.length - offset)
    this.text += fresh.join("")
    this.length += fresh.length
    return true
  }

  reset() {
    this.text = ""
    this.length = 0
  }
}
