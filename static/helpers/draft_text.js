// A light look for text that is still arriving: paragraphs, code blocks, bold and code. The server renders the final text.
const FENCE = /^\s*(```|~~~)/
// Bold and code that the text so far has opened and not closed are shown at once.
const INLINE = /\*\*(?!\s)([^*\n]+)(?:\*\*|\*?$)|`([^`\n]+)(?:`|$)/g

// [{code: false, text}, …] in order; blank lines part paragraphs, fences hold code together.
export function blocks(text) {
  const found = []
  let current = null
  const end = () => {
    if (current && (current.code || current.text)) found.push(current)
    current = null
  }
  for (const line of text.split("\n")) {
    if (FENCE.test(line)) {
      const opens = !current?.code
      end()
      if (opens) current = { code: true, text: "" }
    } else if (current?.code) current.text += (current.text && "\n") + line
    else if (!line.trim()) end()
    else current = { code: false, text: current ? `${current.text}\n${line}` : line }
  }
  end()
  return found
}

// Shows the text in `place`, touching only the blocks that changed.
export function show(place, text) {
  const wanted = blocks(text)
  for (const [at, block] of wanted.entries()) {
    const there = place.children[at]
    if (there?.source === block.text && there.matches("pre") === block.code) continue
    const fresh = element(block)
    if (there) there.replaceWith(fresh)
    else place.append(fresh)
  }
  while (place.children.length > Math.max(wanted.length, 1)) place.lastElementChild.remove()
}

function element({ code, text }) {
  const block = document.createElement(code ? "pre" : "p")
  block.source = text
  if (code) block.append(Object.assign(document.createElement("code"), { textContent: text }))
  else block.append(...spans(text).map(shown))
  return block
}

const shown = ([tag, text]) => (tag ? Object.assign(document.createElement(tag), { textContent: text }) : text)

// ["", text], ["strong", text] and ["code", text] in order.
export function spans(text) {
  const found = []
  let from = 0
  for (const { 0: whole, 1: bold, 2: code, index } of text.matchAll(INLINE)) {
    found.push(["", text.slice(from, index)], bold ? ["strong", bold] : ["code", code])
    from = index + whole.length
  }
  return [...found, ["", text.slice(from)]].filter(([, part]) => part)
}
