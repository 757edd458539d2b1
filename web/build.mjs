// Puts the page and NiiVue where the server looks for them, with the licence of everything that NiiVue's module holds.
// No bundler: NiiVue's module is whole, and browsers load ours.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const target = join(here, '..', 'src', 'askance', 'server', 'assets')
const modules = join(here, 'node_modules')
const niivue = join(modules, '@niivue', 'niivue')

/** Packages whose code is in NiiVue's module, as its own build says. */
function bundled() {
  const { outputs } = JSON.parse(readFileSync(join(niivue, 'dist', 'metafile-esm.json')))
  const inputs = Object.keys(outputs['dist/index.js'].inputs)
  const packages = inputs.filter((one) => one.includes('node_modules/')).map((one) => one.split('node_modules/').at(-1))
  return [...new Set(packages.map((one) => one.match(/^(@[^/]+\/)?[^/]+/)[0]))].sort()
}

function licenceOf(name) {
  const found = readdirSync(join(modules, name)).find((one) => /^licen[cs]e/i.test(one))
  if (!found) throw new Error(`${name} is in NiiVue's module and comes without a licence; add it to web/licences`)
  return `${name}\n\n${readFileSync(join(modules, name, found), 'utf8').trim()}\n`
}

/** One file: ours of what npm brings without its licence, and theirs. */
function licences() {
  const ours = ['niivue', 'blosc', 'lz4', 'zstd'].map((name) => readFileSync(join(here, 'licences', `${name}.txt`), 'utf8'))
  const [first, ...compiled] = ours
  return [`NiiVue (@niivue/niivue, as pinned in web/package-lock.json)\n\n${first}`, ...bundled().map(licenceOf), ...compiled]
    .join(`\n${'-'.repeat(80)}\n\n`)
}

rmSync(target, { recursive: true, force: true })
mkdirSync(join(target, 'vendor'), { recursive: true })
for (const name of readdirSync(join(here, 'src'))) copyFileSync(join(here, 'src', name), join(target, name))
copyFileSync(join(niivue, 'dist', 'index.js'), join(target, 'vendor', 'niivue.js'))
writeFileSync(join(target, 'vendor', 'LICENSES.txt'), licences())
console.log(`the page is in ${target}`)
