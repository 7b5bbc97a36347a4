# Completion of doit for PowerShell; made by: doit completion powershell
Register-ArgumentCompleter -Native -CommandName doit -ScriptBlock {
    param($word, $ast, $position)
    $typed = @($ast.CommandElements | ForEach-Object { $_.ToString() })
    $command = @()
    if ($word.StartsWith('-') -and $typed.Count -gt 1) { $command = @($typed[1]) }
    & $typed[0] completion words @command 2>$null |
        Where-Object { $_.StartsWith($word) } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
