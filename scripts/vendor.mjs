// Builds everything the browser loads into static/vendor/: libraries, our script, one sheet, fonts, one icon sprite.
// The server reads static/vendor/manifest.json for the import map and for addresses that change with the content.
import { build } from "esbuild"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { ICONS } from "./icons.mjs"

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..")
const OUT = join(ROOT, "static/vendor")
const TARGET = ["chrome123", "firefox129", "safari18"]
const FIRST_LOAD_KB = 110

// name in the import map -> [entry, file]
const MODULES = {
  "@hotwired/turbo": ["@hotwired/turbo", "turbo.js"],
  "@hotwired/stimulus": ["@hotwired/stimulus", "stimulus.js"],
  "socket.io-client": ["socket.io-client", "socket.io.js"],
  "@github/text-expander-element": ["@github/text-expander-element", "text-expander.js"],
}
const FONTS = {
  "fonts/inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  "fonts/mono.woff2": "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
}

const common = {
  absWorkingDir: ROOT, bundle: true, minify: true, format: "esm", target: TARGET, legalComments: "none", logLevel: "warning",
  write: false,
}

async function script(entry, external = []) {
  const options = entry.startsWith("static/")
    ? { entryPoints: [entry] }
    : { stdin: { contents: `export * from "${entry}"`, resolveDir: ROOT } }
  const result = await build({ ...common, ...options, external })
  return result.outputFiles[0].contents
}

async function sheet(fonts) {
  const addresses = Object.fromEntries(Object.entries(FONTS).map(([name, source]) => [source, fonts[name]]))
  const resolved = {
    name: "fonts",
    setup(plugin) {
      plugin.onResolve({ filter: /\.woff2$/ }, ({ path }) => ({ path: addresses[path], external: true }))
    },
  }
  const result = await build({ ...common, entryPoints: ["static/styles/app.css"], plugins: [resolved] })
  return result.outputFiles[0].contents
}

async function sprite() {
  const symbols = await Promise.all(ICONS.map(async (name) => {
    const file = join(ROOT, "node_modules/lucide-static/icons", `${name}.svg`)
    if (!existsSync(file)) throw new Error(`lucide has no icon "${name}"`)
    const inner = /<svg[^>]*>(.*)<\/svg>/s.exec(await readFile(file, "utf8"))[1]
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${inner.replace(/\s*\n\s*/g, "")}</symbol>`
  }))
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg"><!-- Lucide, ISC licence -->${symbols.join("")}</svg>`)
}

const manifest = {}
const sizes = {}

async function put(folder, name, file, contents) {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12)
  await mkdir(dirname(join(folder, file)), { recursive: true })
  await writeFile(join(folder, file), contents)
  manifest[name] = `${file}?v=${hash}`
  const packed = gzipSync(contents, { level: 9 })
  if (/\.(js|css|svg)$/.test(file)) await writeFile(join(folder, `${file}.gz`), packed)
  sizes[name] = packed.length / 1024
}

async function main(folder) {
  for (const [name, source] of Object.entries(FONTS)) {
    await put(folder, name, name, await readFile(join(ROOT, "node_modules", source)))
  }
  for (const [name, [entry, file]] of Object.entries(MODULES)) await put(folder, name, file, await script(entry))
  await put(folder, "application", "application.js", await script("static/application.js", Object.keys(MODULES)))
  await put(folder, "app.css", "app.css", await sheet(manifest))
  await put(folder, "icons.svg", "icons.svg", await sprite())
  await put(folder, "favicon.svg", "favicon.svg", await readFile(join(ROOT, "static/favicon.svg")))
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n")
  await rm(OUT, { recursive: true, force: true })
  await rename(folder, OUT)

  const first = Object.keys(manifest).filter((name) => /\.(js|css)\?/.test(manifest[name]))
  const total = first.reduce((sum, name) => sum + sizes[name], 0)
  console.log(`first load: ${total.toFixed(1)} KB gz of ${FIRST_LOAD_KB} (${first.map((name) => `${name} ${sizes[name].toFixed(1)}`).join(", ")})`)
  if (total > FIRST_LOAD_KB) throw new Error("the first load is over its budget")
}

const folder = `${OUT}.${process.pid}`
await main(folder).finally(() => rm(folder, { recursive: true, force: true })) // what failed half way is not left behind
