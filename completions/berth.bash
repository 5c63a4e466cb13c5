# bash completion for berth                                -*- shell-script -*-
#
# Needs nothing but bash: no functions of the bash-completion package.

_berth_common="--root --config --enter-host --quiet --help --version"
_berth_commands="plan install verify status uninstall agent config bundle quota prune pool version"
_berth_steps="preflight kernel program daemon-json docker sysbox pool services containerd crio budgets prune agent"

# The options of a command besides the common ones.
_berth_options()
{
	case $1 in
	plan) echo "--json --step --bundle" ;;
	install) echo "--json --dry-run --step --bundle --wait" ;;
	verify) echo "--json --step --wait" ;;
	status) echo "--json --journal" ;;
	uninstall) echo "--json --dry-run --delete-data --wait" ;;
	agent) echo "--listen --node --log-format --install-unit --wait" ;;
	config) echo "--json" ;;
	bundle) echo "--json --output --suite --arch --wait" ;;
	quota) echo "--json --sort --filter --watch --force --dry-run" ;;
	prune) echo "--json --dry-run --older-than --wait" ;;
	pool) echo "--json --wait" ;;
	version) echo "--json" ;;
	esac
}

_berth_words()
{
	local IFS=$' \t\n'

	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_berth_paths()
{
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
	compopt -o filenames 2>/dev/null
}

# The value of an option; 1: the word before the cursor takes none.
_berth_value()
{
	case $1 in
	--step) _berth_words "$_berth_steps" "$2" ;;
	--root) _berth_paths -d "$2" ;;
	--config | --bundle | --output) _berth_paths -f "$2" ;;
	--arch) _berth_words "amd64 arm64" "$2" ;;
	--sort) _berth_words "name used limit percent inodes id" "$2" ;;
	--filter) COMPREPLY=() ;;
	--suite) _berth_words "bookworm trixie jammy noble" "$2" ;;
	--older-than) _berth_words "12h 1d 7d 30d" "$2" ;;
	--listen) _berth_words "127.0.0.1:9477 [::1]:9477 :9477" "$2" ;;
	--log-format) _berth_words "logfmt json" "$2" ;;
	--node) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_berth_operand()
{
	case "$1 $2" in
	"config ") _berth_words "check show" "$3" ;;
	"bundle ") _berth_words "create verify" "$3" ;;
	"quota ") _berth_words "ls get set reconcile" "$3" ;;
	"pool ") _berth_words "status grow trim auto" "$3" ;;
	"config check" | "bundle verify") _berth_paths -f "$3" ;;
	esac
}

_berth()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command="" verb="" skip="" i word

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		# "--step=pool" comes as three words.
		if [[ $skip || $word == "=" ]]; then
			skip=""
			[[ $word == "=" ]] && skip=1
			continue
		fi
		case $word in
		--step | --root | --config | --bundle | --output | --arch | --suite | --sort | --filter | --older-than | --listen | --node | --log-format)
			[[ ${COMP_WORDS[i + 1]} == "=" ]] || skip=1
			;;
		-*) ;;
		*)
			if [[ ! $command ]]; then
				command=$word
			elif [[ ! $verb ]]; then
				verb=$word
			fi
			;;
		esac
	done
	if [[ $current == "=" ]]; then
		current=""
	elif [[ $before == "=" ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if _berth_value "$before" "$current"; then
		return
	elif [[ $current == -* ]]; then
		_berth_words "$(_berth_options "$command") $_berth_common" "$current"
	elif [[ ! $command ]]; then
		_berth_words "$_berth_commands" "$current"
	else
		_berth_operand "$command" "$verb" "$current"
	fi
}

complete -F _berth berth
