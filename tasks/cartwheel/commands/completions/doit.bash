# Completion of doit for bash; made by: doit completion bash
_doit() {
    local line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##* }"
    local command=""
    [[ "$word" == -* ]] && command="${COMP_WORDS[1]}"
    local words
    words="$("${COMP_WORDS[0]}" completion words ${command:+"$command"} 2>/dev/null)"
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    # bash splits words at colons, so what stands before the last colon is on the line already
    if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        local before="${word%"${word##*:}"}"
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
complete -o default -F _doit doit
