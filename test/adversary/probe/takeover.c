// Files that take over a host when someone else opens the workspace later: each by its creation, and the ways round.
#include "probe.h"
#include <linux/fs.h>

#define CASE(name) static struct outcome name(void)

// A row a file: the path below the workspace (or the home, with a leading ~).
static char *place(const char *path) { return path[0] == '~' ? join(arg("home"), path + 2) : inside(path); }
static struct outcome create(const char *path) {
  return write_mark(open(place(path), O_WRONLY | O_CREAT | O_EXCL, 0755));
}
#define CREATE(name, path)                                                                                             \
  CASE(create_##name) { return create(path); }
CREATE(hook, ".git/hooks/pre-commit")
CREATE(hook_new_name, ".git/hooks/reference-transaction")
CREATE(worktree_config, ".git/config.worktree")
CREATE(module_hook, ".git/modules/lib/hooks/pre-commit")
CREATE(nested_hook, "nested/.git/hooks/pre-commit")
CREATE(bashrc, ".bashrc")
CREATE(bash_profile, ".bash_profile")
CREATE(profile, ".profile")
CREATE(zshrc, ".zshrc")
CREATE(zshenv, ".zshenv")
CREATE(mcp, ".mcp.json")
CREATE(git_commondir, ".git/commondir")
CREATE(git_attributes, ".git/info/attributes")
CREATE(devcontainer, ".devcontainer.json")
CREATE(nvim, ".nvim.lua")
CREATE(vscode_settings, ".vscode/settings.json")
CREATE(vscode_tasks, ".vscode/tasks.json")
CREATE(claude_settings, ".claude/settings.json")
CREATE(claude_local, ".claude/settings.local.json")
CREATE(cursor_mcp, ".cursor/mcp.json")
CREATE(gemini_settings, ".gemini/settings.json")
CREATE(codex_config, ".codex/config.toml")
CREATE(envrc, ".envrc")
CREATE(idea, ".idea/workspace.xml")
CREATE(home_bashrc, "~/.bashrc.d/pwned")
CREATE(home_zshenv, "~/.zshenv")
CREATE(home_autostart, "~/.config/autostart/pwned.desktop")
CREATE(home_systemd, "~/.config/systemd/user/pwned.service")
CREATE(home_authorized_keys, "~/.ssh/authorized_keys2")
CREATE(home_gitconfig, "~/.gitconfig")
CREATE(home_local_bin, "~/.local/bin/ls")
CREATE(home_pam, "~/.pam_environment")

CASE(append_git_config) {
  // A comment, so that the configuration stays one that git reads.
  int fd = open(inside(".git/config"), O_WRONLY | O_APPEND);
  return fd < 0 ? blocked(errno, "open refused") : from(write(fd, "#" MARK "\n", strlen(MARK) + 2));
}
CASE(append_existing_hook) { return write_mark(open(inside(".git/hooks/existing"), O_WRONLY | O_APPEND)); }
CASE(chmod_existing_hook) { return from(chmod(inside(".git/hooks/existing"), 0755)); }
// In a repository of its own: the attacks above leave the first one broken where they succeed.
static struct outcome git_config(char *key, char *value) {
  char *const argv[] = {"/usr/bin/git", "-C", inside("configured"), "config", key, value, NULL};
  struct outcome outcome = run_program(argv, "no text of git");
  char text[4096] = {0};
  int fd = open(inside("configured/.git/config"), O_RDONLY);
  if (fd >= 0 && read(fd, text, sizeof text - 1) >= 0 && strstr(text, value)) return succeeded("%s was set", key);
  return outcome;
}
CASE(git_config_program) { return git_config("core.fsmonitor", "touch " MARK); }
CASE(git_hooks_path_program) { return git_config("core.hooksPath", "hooks-" MARK); }
CASE(git_config_harmless) { return git_config("user.name", "Somebody-" MARK); }

// Ways round: a protected name given to something made elsewhere.
static struct outcome rename_to(const char *path) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(rename(scratch("mine"), place(path)));
}
CASE(rename_to_hook) { return rename_to(".git/hooks/post-commit"); }
CASE(rename_to_mcp) { return rename_to(".mcp.json"); }
CASE(rename_to_git_config) { return rename_to(".git/config"); }
CASE(link_to_hook) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(link(scratch("mine"), inside(".git/hooks/pre-push")));
}
CASE(symlink_to_hook) {
  if (make_file(scratch("mine"), MARK) < 0) return unsupported(errno, "no file of our own");
  return from(symlink(scratch("mine"), inside(".git/hooks/pre-rebase")));
}
CASE(symlink_as_vscode) {
  mkdir(scratch("evil"), 0755);
  return from(symlink(scratch("evil"), inside("linked/.vscode")));
}
CASE(symlink_as_opencode) {
  mkdir(scratch("evil"), 0755);
  return from(symlink(scratch("evil"), inside(".opencode")));
}
CASE(symlink_linked_as_hooks) {
  // A second name for a symlink that was made where nothing hinders it.
  mkdir(scratch("evil"), 0755);
  if (symlink(scratch("evil"), scratch("link")) < 0) return unsupported(errno, "no link of our own");
  return from(link(scratch("link"), inside("hardlinked/.git/hooks")));
}
CASE(settings_around_a_repository) {
  // What lies in the directory of the settings does not make a nested repository of the workspace.
  if (mkdir(inside(".codex/.git"), 0755) < 0) return blocked(errno, "directory refused");
  return write_mark(open(inside(".codex/hooks.json"), O_WRONLY | O_CREAT | O_EXCL, 0644));
}
CASE(rename_directory_as_zed) {
  if (mkdir(scratch("evil"), 0755) < 0 || make_file(scratch("evil/settings.json"), MARK) < 0) return unsupported(errno, "no directory of our own");
  return from(rename(scratch("evil"), inside(".zed")));
}
CASE(rename_directory_as_git) {
  // A whole repository with a hook in it, moved into place.
  if (mkdir(scratch("evil"), 0755) < 0 || mkdir(scratch("evil/hooks"), 0755) < 0 || make_file(scratch("evil/hooks/pre-commit"), MARK) < 0)
    return unsupported(errno, "no directory of our own");
  return from(rename(scratch("evil"), inside("renamed/.git")));
}
CASE(rename_parent_of_git) {
  // The directory above `.git` is moved away, changed, and moved back.
  if (rename(inside("project"), scratch("project")) < 0) return blocked(errno, "rename refused");
  struct outcome outcome = write_mark(open(scratch("project/.git/hooks/pre-commit"), O_WRONLY | O_CREAT, 0755));
  rename(scratch("project"), inside("project"));
  return outcome;
}
CASE(rename_hooks_away) { return from(rename(inside(".git/hooks"), scratch("hooks"))); }
CASE(rename_git_away) { return from(rename(inside("moved/.git"), scratch("git"))); }
CASE(exchange_git) {
  if (mkdir(scratch("evil"), 0755) < 0 || make_file(scratch("evil/config"), MARK) < 0) return unsupported(errno, "no directory of our own");
  return from(syscall(SYS_renameat2, AT_FDCWD, scratch("evil"), AT_FDCWD, inside("exchanged/.git"), RENAME_EXCHANGE));
}
CASE(gitfile) {
  // `.git` as a file that names a directory of ours.
  char *text = NULL;
  if (asprintf(&text, "gitdir: %s\n", scratch("evil")) < 0) _exit(2);
  if (make_file(inside("gitfile/.git"), text) < 0) return blocked(errno, "create refused");
  return succeeded("created");
}

CREATE(nested_mcp, "plain/.mcp.json")
CREATE(nested_claude, "plain/.claude/settings.json")
CREATE(nested_repository_mcp, "nested/.mcp.json")
CREATE(package_mcp, "node_modules/x/.mcp.json")

// Repositories that are not called `.git`, each in the directory of its case: git looks at any directory that has objects and refs.
#define EVIL "[core]\n\tbare = false\n\tfsmonitor = \"touch " MARK "\"\n"
#define PLAIN "[core]\n\tbare = true\n"
static int repository(const char *name, const char *config) {
  if (config && make_file(join(inside(name), "config"), config) < 0) return -1;
  if (make_file(join(inside(name), "HEAD"), "ref: refs/heads/main\n") < 0) return -1;
  if (mkdir(join(inside(name), "objects"), 0755) < 0) return -1;
  return mkdir(join(inside(name), "refs"), 0755);
}
CASE(bare_config) {
  if (repository("bare-config", NULL) < 0) return unsupported(errno, "no repository");
  return from(make_file(inside("bare-config/config"), EVIL));
}
CASE(bare_late) { return from(repository("bare-late", EVIL)); }
CASE(bare_hook) {
  if (repository("bare-hook", PLAIN) < 0 || mkdir(inside("bare-hook/hooks"), 0755) < 0) return unsupported(errno, "no repository");
  return from(make_file(inside("bare-hook/hooks/post-checkout"), MARK));
}
CASE(bare_hook_before) {
  if (mkdir(inside("bare-hook-before/hooks"), 0755) < 0) return unsupported(errno, "no directory");
  if (make_file(inside("bare-hook-before/hooks/post-checkout"), MARK) < 0) return unsupported(errno, "no file");
  if (mkdir(inside("bare-hook-before/objects"), 0755) < 0) return blocked(errno, "objects refused");
  return from(mkdir(inside("bare-hook-before/refs"), 0755));
}
CASE(bare_held) {
  // The configuration is harmless while it is looked at; what holds it open writes later.
  if (make_file(inside("bare-held/config"), PLAIN) < 0) return unsupported(errno, "no file");
  int fd = open(inside("bare-held/config"), O_WRONLY | O_APPEND);
  if (fd < 0 || mkdir(inside("bare-held/objects"), 0755) < 0 || mkdir(inside("bare-held/refs"), 0755) < 0) return unsupported(errno, "no repository");
  return write(fd, EVIL, strlen(EVIL)) < 0 ? blocked(errno, "write refused") : succeeded("written");
}
CASE(bare_moved) {
  if (make_file(inside("bare-moved/config"), EVIL) < 0) return unsupported(errno, "no file");
  if (mkdir(inside("bare-moved/objects"), 0755) < 0 || mkdir(inside("bare-moved/later"), 0755) < 0) return unsupported(errno, "no directory");
  return from(rename(inside("bare-moved/later"), inside("bare-moved/refs")));
}
CASE(bare_linked) {
  if (make_file(inside("bare-linked/config"), EVIL) < 0) return unsupported(errno, "no file");
  if (mkdir(inside("bare-linked/objects"), 0755) < 0) return unsupported(errno, "no directory");
  return from(symlink("objects", inside("bare-linked/refs")));
}

#define ROW(name, function) {name, function, 0}
const struct probe_case takeover_cases[] = {
    ROW("create-git-hook", create_hook),
    ROW("create-git-hook-of-a-new-name", create_hook_new_name),
    ROW("create-git-worktree-config", create_worktree_config),
    ROW("create-git-module-hook", create_module_hook),
    ROW("create-nested-git-hook", create_nested_hook),
    ROW("create-bashrc", create_bashrc),
    ROW("create-bash_profile", create_bash_profile),
    ROW("create-profile", create_profile),
    ROW("create-zshrc", create_zshrc),
    ROW("create-zshenv", create_zshenv),
    ROW("create-mcp.json", create_mcp),
    ROW("create-git-commondir", create_git_commondir),
    ROW("create-git-attributes", create_git_attributes),
    ROW("create-devcontainer", create_devcontainer),
    ROW("create-nvim.lua", create_nvim),
    ROW("create-vscode-settings", create_vscode_settings),
    ROW("create-vscode-tasks", create_vscode_tasks),
    ROW("create-claude-settings", create_claude_settings),
    ROW("create-claude-local-settings", create_claude_local),
    ROW("create-cursor-mcp", create_cursor_mcp),
    ROW("create-gemini-settings", create_gemini_settings),
    ROW("create-codex-config", create_codex_config),
    ROW("create-envrc", create_envrc),
    ROW("create-idea-workspace", create_idea),
    ROW("create-home-bashrc", create_home_bashrc),
    ROW("create-home-zshenv", create_home_zshenv),
    ROW("create-home-autostart", create_home_autostart),
    ROW("create-home-systemd-unit", create_home_systemd),
    ROW("create-home-authorized-keys", create_home_authorized_keys),
    ROW("create-home-gitconfig", create_home_gitconfig),
    ROW("create-home-local-bin", create_home_local_bin),
    ROW("create-home-pam-environment", create_home_pam),
    ROW("append-git-config", append_git_config),
    ROW("append-existing-hook", append_existing_hook),
    ROW("chmod-existing-hook", chmod_existing_hook),
    ROW("git-config-fsmonitor", git_config_program),
    ROW("git-config-hooks-path", git_hooks_path_program),
    ROW("git-config-harmless", git_config_harmless),
    ROW("rename-to-git-hook", rename_to_hook),
    ROW("rename-to-mcp.json", rename_to_mcp),
    ROW("rename-to-git-config", rename_to_git_config),
    ROW("link-to-git-hook", link_to_hook),
    ROW("symlink-to-git-hook", symlink_to_hook),
    ROW("symlink-as-vscode", symlink_as_vscode),
    ROW("symlink-as-opencode", symlink_as_opencode),
    ROW("symlink-linked-as-git-hooks", symlink_linked_as_hooks),
    ROW("settings-around-a-repository", settings_around_a_repository),
    ROW("rename-directory-as-zed", rename_directory_as_zed),
    ROW("rename-directory-as-git", rename_directory_as_git),
    ROW("rename-parent-of-git", rename_parent_of_git),
    ROW("rename-hooks-away", rename_hooks_away),
    ROW("rename-git-away", rename_git_away),
    ROW("exchange-git", exchange_git),
    ROW("create-git-file", gitfile),
    ROW("create-nested-mcp.json", create_nested_mcp),
    ROW("create-nested-claude-settings", create_nested_claude),
    ROW("create-mcp.json-in-a-nested-repository", create_nested_repository_mcp),
    ROW("create-mcp.json-in-a-package", create_package_mcp),
    ROW("bare-config", bare_config),
    ROW("bare-late", bare_late),
    ROW("bare-hook", bare_hook),
    ROW("bare-hook-before", bare_hook_before),
    ROW("bare-held", bare_held),
    ROW("bare-moved", bare_moved),
    ROW("bare-linked", bare_linked),
    ROW(NULL, NULL),
};
