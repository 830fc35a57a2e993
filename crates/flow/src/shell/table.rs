//! Well-known programs, as data: their options and what their operands are. What a row does not list is not guessed.
//!
//! A row is `name | short options | long options | operands | traits`. Uses: `v` a plain value, `r` a path read, `w` a
//! path written, `d` a path deleted, `u` an address fetched, `U` one sent to, `c` content that leaves, `m` a named remote
//! or else an address, `q` a question to a service, `p` a package, `f` a format, `b` a folder to work in, `x` code that
//! cannot be read here. `a:v` is a short option with a value, `name=v` a long one, `name=?v` one whose value may be left out, `#` any
//! number. Operands are taken in order; the last with `*` repeats; `<*` repeats but for those after it.
//!
//! Traits: `safe` no option of it runs or writes, so names that are only known when it runs may stand as operands;
//! `env` it shows the environment; `local` it changes the workspace's own version control; `run`, `install`, `send`,
//! `fetch` what it does besides; `words` it has no options. A row that is `inert` does nothing that others see.

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    short: &'static str,
    long: &'static str,
    pub(super) operands: &'static str,
    traits: &'static str,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// A value of this use, in the same word or the next.
    Value(char),
    /// A value of this use in the same word, or none.
    Perhaps(char),
}

impl Row {
    /// The row of a program, or of a program and its subcommand with one blank between.
    pub(super) fn find(name: &str) -> Option<Self> {
        ROWS.lines().find_map(|line| {
            let mut cells = line.split('|').map(str::trim);
            if !cells.next()?.split(", ").any(|known| known == name) {
                return None;
            }
            Some(Self {
                short: cells.next()?,
                long: cells.next()?,
                operands: cells.next()?,
                traits: cells.next()?,
            })
        })
    }

    /// Does this program have subcommands in the table?
    pub(super) fn has_subcommands(program: &str) -> bool {
        ROWS.lines().any(|line| {
            line.split('|').next().is_some_and(|names| {
                names.trim().split(", ").any(|known| {
                    known
                        .strip_prefix(program)
                        .is_some_and(|rest| rest.starts_with(' '))
                })
            })
        })
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.traits.split(' ').any(|known| known == word)
    }

    /// What this short option takes; none if it is not listed.
    pub(super) fn short(&self, option: char) -> Option<Takes> {
        if option == ':' || option == '#' {
            return None;
        }
        let (_, after) = self.short.split_once(' ').map_or((self.short, ""), |pair| pair);
        let plain = self.short.split(' ').next().unwrap_or_default();
        if plain.contains(option) {
            return Some(Takes::Nothing);
        }
        after.split(' ').find_map(|known| {
            let (name, takes) = known.split_once(':')?;
            (name.chars().eq([option])).then(|| Takes::Value(takes.chars().next().unwrap_or('x')))
        })
    }

    pub(super) fn numbers(&self) -> bool {
        self.short
            .split(' ')
            .next()
            .is_some_and(|plain| plain.contains('#'))
    }

    /// What this long option takes. Only whole names count: an abbreviation could mean one that is not listed.
    pub(super) fn long(&self, option: &str) -> Option<Takes> {
        self.long
            .split(' ')
            .find_map(|known| match known.split_once('=') {
                None => (known == option && !known.is_empty()).then_some(Takes::Nothing),
                Some((name, takes)) if name == option => Some(match takes.strip_prefix('?') {
                    Some(takes) => Takes::Perhaps(takes.chars().next().unwrap_or('x')),
                    None => Takes::Value(takes.chars().next().unwrap_or('x')),
                }),
                Some(_) => None,
            })
    }
}

/// Options that end a program's work with a text: harmless everywhere but where a program means something else by them.
pub(super) const TEXTS: [&str; 2] = ["help", "version"];

const ROWS: &str = "\
:, true, false, exit, return, break, continue, wait, jobs, clear, pwd, whoami, id, groups, uptime, nproc, arch, tty | LPagnruG |  | v* | safe inert
echo |  |  | v* | safe inert words
printf |  |  | v* | safe inert words
test, [, expr, seq, sleep, basename, dirname, yes |  |  | v* | safe inert words
unset, shift, umask | fv |  | v* | safe inert
set | eux o:v |  | v* | inert
read | rs p:v n:v t:v d:v |  | v* | inert
uname | amnrsvpio | all | | safe inert
date | uRI d:v r:r | utc date=v iso-8601=?v rfc-3339=v reference=r | v* | safe inert
which, type | atpsP |  | v* | safe inert
cat, tac, nl | AbeEnstTuv | number show-all number-nonblank show-ends show-tabs squeeze-blank | r* | safe
head | qvz# n:v c:v | lines=v bytes=v quiet silent verbose | r* | safe
tail | qvfFr# n:v c:v s:v | lines=v bytes=v follow quiet silent retry pid=v | r* | safe
wc | lwcmL | lines words bytes chars max-line-length | r* | safe
ls, dir | aAbBcCdDfFgGhHiklLmnNopqQrRsStTuUvxXZ1 I:v w:v | all almost-all color=?v human-readable recursive reverse sort=v time=v classify directory size inode group-directories-first full-time time-style=v ignore=v | r* | safe
tree | adfilpsugDhFrtUvNqCn# L:v I:v P:v | dirsfirst noreport gitignore prune charset=v filelimit=v | r* | safe
stat, file, du, df | acdfghHikLlmrsStTxzbLhP c:v d:v f:v | all human-readable summarize total max-depth=v format=v mime mime-type brief apparent-size dereference | r* | safe
readlink, realpath | femnqsz | canonicalize relative-to=r relative-base=r | r* | safe
md5sum, sha1sum, sha224sum, sha256sum, sha384sum, sha512sum, shasum, cksum, b2sum, sum | btcwz a:v | check tag binary text quiet status | r* | safe
cut | sz d:v f:v c:v b:v | delimiter=v fields=v characters=v bytes=v only-delimited output-delimiter=v complement | r* | safe
tr | cCdst | delete squeeze-repeats complement | v* | safe inert
rev, fold, fmt, paste, column, join, comm, expand, unexpand, strings, od, hexdump | tsnxcCbuaiz123 d:v w:v t:v n:v | separator=v table width=v check-order nocheck-order | r* | safe
xxd | pubCr c:v l:v s:v |  | r | safe
cmp, diff | uaqrswbBEiNyZtlcP# U:v C:v I:v x:v | unified=?v brief recursive ignore-all-space ignore-space-change ignore-blank-lines side-by-side color=?v suppress-common-lines exclude=v stat new-file text width=v | r* | safe
sort | bdfghiMnrRsuVzcCm k:v t:v o:w | reverse numeric-sort unique key=v field-separator=v human-numeric-sort version-sort ignore-case stable check output=w | r* |
uniq | cdDiuz f:v s:v w:v | count repeated unique ignore-case | r w |
grep, egrep, fgrep | EFGPivwxclLnoqshHrRzaTUIb# A:v B:v C:v m:v e:v f:r | extended-regexp fixed-strings perl-regexp ignore-case invert-match word-regexp line-regexp count files-with-matches files-without-match line-number only-matching quiet no-messages with-filename no-filename recursive include=v exclude=v exclude-dir=v color=?v colour=?v max-count=v after-context=v before-context=v context=v text null | r* | safe
rg | EFPivwxclLnNoqsSHIuUhp.0 A:v B:v C:v m:v e:v f:r g:v t:v T:v M:v j:v r:v | ignore-case smart-case case-sensitive fixed-strings word-regexp line-regexp invert-match count count-matches files files-with-matches files-without-match line-number no-line-number only-matching quiet with-filename no-filename hidden no-ignore no-ignore-vcs glob=v iglob=v type=v type-not=v max-count=v max-depth=v after-context=v before-context=v context=v multiline multiline-dotall color=v heading no-heading sort=v json replace=v pcre2 stats trim unrestricted null vimgrep max-columns=v max-filesize=v | r* | 
jq | rcsSMCnejaR | raw-output compact-output slurp sort-keys monochrome-output color-output null-input exit-status join-output raw-input tab indent=v | r* | safe
ps, free, vmstat, lsof, ss, netstat | aAuxefFlwhmgtklnpiPTrbs1 p:v C:v o:v n:v d:v U:v | sort=v forest no-headers | v* | safe env
env, printenv | 0 | null | v* | safe env
lscpu, lsblk, lsb_release, sw_vers, locale, getconf, hostid, logname, groups | abcdfilmnoprst |  | v* | safe inert
mkdir | pv m:v | parents verbose mode=v | w* |
touch | acmh d:v t:v r:r | no-create date=v reference=r | w* |
tee | ai | append ignore-interrupts | w* |
truncate | c s:v r:r | size=v reference=r | w* |
cp | rRfaipnuvdLPTHx t:w | recursive force archive interactive preserve=?v no-clobber update verbose no-dereference target-directory=w parents no-target-directory | <* w |
mv | fiunvT t:w | force interactive update no-clobber verbose target-directory=w no-target-directory | w* |
ln | sfnvrTiLP t:w | symbolic force no-dereference verbose relative target-directory=w | w* |
rm, rmdir, unlink, shred | rRfivdpzu n:v | recursive force interactive=?v verbose dir parents ignore-fail-on-non-empty one-file-system | d* |
chmod, chown, chgrp | RvfchHLP | recursive verbose changes silent quiet reference=r | v w* |
git | P C:b | no-pager | |
git status | sbvuz | short branch porcelain=?v long verbose untracked-files=?v ignored=?v ahead-behind show-stash | r* | safe inert
git log, git shortlog, git whatchanged | psnegiEFPzmcuw# n:v S:v G:v L:v | oneline stat numstat shortstat graph all decorate=?v no-decorate since=v until=v after=v before=v author=v committer=v grep=v format=v pretty=?v name-only name-status follow patch no-patch reverse merges no-merges first-parent abbrev-commit max-count=v date=v abbrev=?v branches=?v tags=?v remotes=?v color=?v no-color word-diff=?v topo-order skip=v diff-filter=v invert-grep ignore-case cherry-pick left-right ancestry-path full-history show-signature summary numbered email | r* | safe
git diff, git show, git diff-tree, git diff-index | pswbRzuaq# U:v S:v G:v | cached staged stat numstat shortstat name-only name-status patch no-patch word-diff=?v color=?v no-color ignore-all-space ignore-space-change ignore-blank-lines unified=v diff-filter=v summary oneline format=v pretty=?v quiet exit-code raw minimal no-renames find-renames=?v merge-base check no-index text no-ext-diff date=v abbrev=?v root relative=?v | r* | safe
git blame, git annotate | lwsepcftnMC L:v | date=v porcelain line-porcelain show-name show-number show-email root reverse | r* | safe
git ls-files, git ls-tree, git rev-parse, git rev-list, git describe, git name-rev, git merge-base, git cat-file, git show-ref, git for-each-ref, git check-ignore, git count-objects, git var, git cherry, git show-branch, git verify-commit, git diff-files | cdmopstzrltvqe# n:v | cached deleted modified others ignored stage unmerged killed exclude-standard error-unmatch full-name name-only show-toplevel show-prefix show-cdup git-dir git-common-dir abbrev-ref=?v short=?v verify symbolic-full-name is-inside-work-tree is-ancestor tags long always dirty=?v match=v all count format=v sort=v heads quiet max-count=v since=v left-right no-merges merges contains=?v points-at=v is-ancestor fork-point branches remotes | r* | safe
git grep | EFGPivwclLnohHIW# A:v B:v C:v e:v m:v | ignore-case line-number files-with-matches count word-regexp fixed-strings extended-regexp perl-regexp untracked cached heading break no-index name-only max-depth=v all-match and or not | r* | safe
git branch | avrlqfi | all list verbose show-current remotes contains=?v no-contains=?v merged=?v no-merged=?v sort=v format=v column=?v quiet points-at=v | v* | local
git add | AupvnfN | all update patch verbose dry-run intent-to-add force | r* | local
git commit | aqvsn m:v F:r C:v | all message=v file=r amend no-edit quiet verbose signoff allow-empty no-verify author=v date=v fixup=v reuse-message=v trailer=v cleanup=v no-gpg-sign | r* | local
git switch | cCdfqt | create detach quiet track no-track guess discard-changes | v* | local
git checkout | qt b:v | quiet track | d* |
git restore, git clean | SWqfdnxX s:v | staged worktree quiet source=v force dry-run | d* | force
git stash | uakqmp m:v | include-untracked keep-index all quiet message=v patch index | v* | local
git merge, git rebase, git cherry-pick, git revert | nqe m:v | no-ff ff-only ff squash abort continue skip quit no-commit no-edit message=v onto=v autostash no-autostash quiet signoff stat mainline=v autosquash | v* | local
git reset | qpNU | soft mixed quiet intent-to-add | v* | local
git tag | lnaf m:v d:v | list sort=v message=v annotate contains=?v points-at=v merged=?v format=v column=?v delete=v | v* | local
git mv | fkvn | force verbose dry-run | w* | local
git rm | rfnq | cached force quiet dry-run ignore-unmatch | d* |
git init | q b:v | quiet initial-branch=v bare | w | local
git remote, git reflog, git worktree list, git config | vlz | verbose list get=v get-all=v show-origin show-scope name-only | | safe
git remote show, git remote get-url | n | all push | v | fetch
git fetch | apqtfv j:v | all prune tags quiet force verbose depth=v no-tags dry-run unshallow jobs=v prune-tags | m v* | fetch
git ls-remote | htq | heads tags refs quiet symref exit-code sort=v | m v* | fetch
git pull | qrv | rebase=?v no-rebase ff-only no-ff quiet autostash tags no-edit prune verbose all | m v* | fetch local
git clone | qvn b:v | quiet verbose branch=v depth=v single-branch no-checkout no-tags filter=v bare mirror | u w | fetch
git push | ufqvnd | set-upstream force force-with-lease=?v quiet verbose dry-run tags follow-tags all delete no-verify porcelain atomic | m v* | send
gh pr list, gh pr view, gh pr diff, gh pr checks, gh pr status, gh issue list, gh issue view, gh issue status, gh run list, gh run view, gh repo view, gh release list, gh release view, gh search, gh workflow list | cw L:v R:v s:v q:v b:v l:v A:v a:v j:v | limit=v state=v repo=v json=v jq=v label=v author=v assignee=v search=v comments web log log-failed job=v patch name-only branch=v workflow=v | q* | fetch
gh pr create, gh issue create, gh pr comment, gh issue comment, gh pr review, gh pr edit, gh issue edit, gh release create, gh gist create, gh pr merge, gh pr close, gh issue close, gh pr ready | dfacmrs t:c b:c F:r B:v H:v R:m l:v | title=c body=c body-file=r base=v head=v repo=m draft fill label=v approve comment request-changes squash merge rebase delete-branch notes=c notes-file=r public desc=c | c* | send
curl | sSLfkiIvgGNZ#0123469 o:w d:c F:c T:c X:v H:c A:v e:v b:c u:c m:v w:f r:v | silent show-error location fail fail-with-body insecure include head verbose get compressed output=w data=c data-raw=c data-binary=c data-urlencode=c data-ascii=c form=c form-string=c json=c upload-file=c request=v header=c user-agent=v referer=v cookie=c user=c max-time=v connect-timeout=v retry=v retry-delay=v http1.1 http2 ipv4 ipv6 url=u globoff no-progress-meter progress-bar range=v create-dirs write-out=f create-file-mode=v oauth2-bearer=c no-buffer max-redirs=v tlsv1.2 tlsv1.3 url-query=c path-as-is | u* | fetch http
wget | qvncSNL46 O:w P:w T:v t:v U:v w:v l:v | quiet verbose output-document=w directory-prefix=w timeout=v tries=v user-agent=v no-clobber continue no-verbose no-check-certificate header=c post-data=c post-file=c body-data=c body-file=c method=v spider timestamping show-progress max-redirect=v server-response | u* | fetch http
http, https, xh | v bpFhf | body print=v follow headers form json ignore-stdin check-status | U* | send
nc, ncat, netcat, telnet, socat, ftp, tftp, sftp, mail, mailx, sendmail, mutt, s3cmd | uvzn46lkN w:v p:v s:c | subject=c | U* | send
scp, rsync | avzrpqCPn46hutlDEW | archive verbose compress recursive delete progress dry-run human-readable stats exclude=v include=v partial checksum | c* | send copy
dig, nslookup, host, ping, ping6, traceroute, whois | tn46vq c:v W:v w:v i:v | | u* | fetch
cargo build, cargo check, cargo test, cargo clippy, cargo run, cargo bench, cargo doc, cargo fmt, cargo nextest run, cargo metadata, cargo tree, cargo clean, cargo expand, cargo miri test | rvqn p:v j:v F:v e:v i:v E:v | release workspace all all-targets all-features no-default-features features=v package=v exclude=v no-run lib bins bin=v tests test=v examples example=v benches bench=v verbose quiet locked offline frozen message-format=v jobs=v check open no-deps document-private-items profile=v keep-going no-fail-fast doc fix allow-dirty edition=v depth=v invert=?v duplicates format-version=v target=v color=v filter-expr=v no-capture nocapture retries=v | v* | run
cargo add, cargo install, cargo update, cargo fetch, cargo remove | vqfn p:v F:v | dev build features=v version=v locked force package=v no-default-features optional dry-run precise=v offline git=u branch=v tag=v rev=v | p* | install
npm test, npm t, npm start, npm run, npm run-script, yarn run, yarn test, yarn build, pnpm run, pnpm test, pnpm build, bun run, bun test, deno test, deno lint, deno fmt, deno check | sw w:v | silent if-present workspace=v workspaces coverage watch filter=v | v* | run
npm install, npm i, npm ci, npm add, npm update, npm uninstall, yarn, yarn add, yarn install, yarn remove, pnpm install, pnpm i, pnpm add, pnpm remove, bun add, bun install | DEgSOPw | save-dev save-exact save production global legacy-peer-deps frozen-lockfile no-audit no-fund omit=?v ignore-scripts prefer-offline dev force no-save immutable | p* | install
npm ls, npm list, npm outdated, npm view, npm info, npm audit, yarn why, yarn list, pnpm list, pnpm why, pnpm outdated | ga | depth=v all json long global prod parseable | q* | fetch
pip install, pip3 install, uv add, uv sync, uv pip install, uv lock, poetry add, poetry install, pipenv install, conda install, gem install, bundle install, go get, go install, apt install, apt-get install, apt-get update, apt update, brew install, rustup component add, rustup update | qyUueDtv r:r c:r e:r G:v | upgrade quiet requirement=r constraint=r editable=r yes no-cache-dir dev group=v no-install-recommends user pre all-extras extra=v frozen no-deps | p* | install
pip list, pip3 list, pip show, pip3 show, pip freeze, pip3 freeze, uv pip list, poetry show, gem list, go version, go env, go list, cargo --version, rustup show, brew list, apt list, dpkg | lmfjo | outdated format=v json installed upgradable not-required | v* | safe inert
go build, go test, go vet, go run, go fmt, go generate, go mod tidy, go mod download | vxn | race v count=v run=v cover coverprofile=w timeout=v short bench=v benchmem json tags=v failfast | v* | run dashes
pytest, py.test, tox, nox, jest, vitest, mocha, eslint, prettier, tsc, ruff, black, mypy, pyright, flake8, isort, pylint, rustc, rustfmt, gofmt, golangci-lint, rspec, rubocop, phpunit, ctest, ninja, shellcheck, biome, stylelint, playwright, gradle, mvn, dotnet, bazel, just, make, gmake, cmake | vqxsklwdinBLpS# k:v m:v n:v j:v C:v t:v | verbose quiet maxfail=v tb=v lf ff cov=?v cov-report=v durations=v no-header no-cov collect-only exitfirst markers strict watch coverage fix check diff noEmit strict project=v write list-different max-warnings=v ext=v format=v silent always-make keep-going jobs=v run runInBand testNamePattern=v reporter=v no-color color=?v no-summary | v* | run
python, python3, python2, pypy3, node, deno run, ruby, perl, php, bash, sh, dash, zsh, ksh, fish, lua, Rscript, julia, osascript, pwsh, powershell, tclsh, swipl, groovy, scala, elixir, java, tsx, ts-node, swift, uv run, poetry run, npx, bunx, uvx, pnpm dlx, yarn dlx, pnpm exec, npm exec, bundle exec, rake, docker, podman, kubectl, terraform, ansible, helm, aws, gcloud, az |  |  |  | special
";
