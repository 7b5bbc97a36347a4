# Completion of doit for zsh; made by: doit completion zsh
_doit() {
    local -a words_known
    local command=""
    [[ "${words[CURRENT]}" == -* ]] && command="${words[2]}"
    words_known=("${(@f)$("${words[1]}" completion words ${command:+"$command"} 2>/dev/null)}")
    compadd -a words_known || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _doit doit
