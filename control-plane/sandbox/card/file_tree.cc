#include "control-plane/sandbox/card/file_tree.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu {

FileTree::Node& FileTree::Add(const std::string& path) {
  const auto [found, added] = nodes_.try_emplace(path);
  if (added) {
    const size_t slash = path.rfind('/');
    Add(path.substr(0, slash)).children.insert(path.substr(slash + 1));
  }
  return found->second;
}

void FileTree::AddFolder(const std::string& path) { Add(path); }

void FileTree::AddFile(const std::string& path, absl::string_view text, bool writable) {
  Node& node = Add(path);
  node.kind = Node::Kind::kFile;
  node.text = std::string(text);
  node.writable = writable;
}

void FileTree::AddLink(const std::string& path, absl::string_view target) {
  Node& node = Add(path);
  node.kind = Node::Kind::kLink;
  node.text = std::string(target);
}

const FileTree::Node* FileTree::Find(absl::string_view path) const {
  absl::ConsumeSuffix(&path, "/");
  const auto found = nodes_.find(std::string(path));
  return found == nodes_.end() ? nullptr : &found->second;
}

std::string FileTree::ToString() const {
  std::string text;
  for (const auto& [path, node] : nodes_) {
    switch (node.kind) {
      case Node::Kind::kFolder:
        absl::StrAppend(&text, path, "/\n");
        break;
      case Node::Kind::kFile:
        absl::StrAppend(&text, path, " = ", absl::StripSuffix(node.text, "\n"), "\n");
        break;
      case Node::Kind::kLink:
        absl::StrAppend(&text, path, " -> ", node.text, "\n");
        break;
    }
  }
  return text;
}

}  // namespace xpu
