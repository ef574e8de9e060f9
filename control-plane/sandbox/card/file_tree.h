#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace xpu {

// Folders, small files and links in memory, by their path: "" is the root, others begin with a slash. A
// value.
class FileTree {
 public:
  struct Node {
    enum class Kind { kFolder, kFile, kLink };
    Kind kind = Kind::kFolder;
    // A file's contents, or what a link points at.
    std::string text;
    bool writable = false;
    // Names in a folder.
    std::set<std::string> children;
  };

  FileTree() { nodes_[""]; }

  // These make the folders above too.
  void AddFolder(const std::string& path);
  void AddFile(const std::string& path, absl::string_view text, bool writable = false);
  void AddLink(const std::string& path, absl::string_view target);

  // Null if there is none. "/" is the root too. Links are not followed.
  const Node* Find(absl::string_view path) const;
  // Every path in order, one a line: "/a/b/", "/a/file = contents", "/a/link -> target".
  std::string ToString() const;

 private:
  Node& Add(const std::string& path);
  std::map<std::string, Node, std::less<>> nodes_;
};

}  // namespace xpu
