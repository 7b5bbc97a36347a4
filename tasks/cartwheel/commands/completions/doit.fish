# Completion of doit for fish; made by: doit completion fish
function __doit_words
    set -l typed (commandline -opc)
    if string match -q -- '-*' (commandline -ct); and test (count $typed) -gt 1
        $typed[1] completion words $typed[2] 2>/dev/null
    else
        $typed[1] completion words 2>/dev/null
    end
end
complete -c doit -a '(__doit_words)'
