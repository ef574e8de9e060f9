#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Objects by id, in the order of their ids, like std::map, but copies share all that is the same in them. So
// a copy costs the same however many objects there are, a change of a copy costs the way to the object, and
// what two copies differ by is found without a look at what they share.
//
// A treap whose nodes never change: where an object is in the tree follows from the ids alone. Copies may be
// used on different threads, as nodes are only counted.
template <typename T>
class SharedMap {
 public:
  using key_type = std::string;
  using mapped_type = T;
  using value_type = std::pair<const std::string, T>;

 private:
  using Entry = std::shared_ptr<value_type>;
  struct Node;
  using Tree = std::shared_ptr<const Node>;
  struct Node {
    Entry entry;
    // The larger one is nearer to the root; of two alike the one with the smaller id.
    uint64_t rank;
    size_t size;
    Tree less;
    Tree more;
  };

 public:
  // Good until the map changes.
  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = SharedMap::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const { return *way_.back()->entry; }
    pointer operator->() const { return way_.back()->entry.get(); }
    const_iterator& operator++() {
      const Node* node = way_.back()->more.get();
      way_.pop_back();
      PushFirst(node);
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) { return a.Top() == b.Top(); }

   private:
    friend class SharedMap;
// GCC 12 takes the vector's own storage for read where it is empty.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
    const Node* Top() const { return way_.empty() ? nullptr : way_.back(); }
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
    void PushFirst(const Node* node) {
      for (; node != nullptr; node = node->less.get()) way_.push_back(node);
    }
    // The object, and above it those that come after it.
    absl::InlinedVector<const Node*, 24> way_;
  };
  using iterator = const_iterator;

  SharedMap() = default;
  SharedMap(std::initializer_list<value_type> objects) {
    for (const value_type& object : objects) emplace(object.first, object.second);
  }

  size_t size() const { return SizeOf(root_); }
  bool empty() const { return root_ == nullptr; }
  const_iterator begin() const {
    const_iterator it;
    it.PushFirst(root_.get());
    return it;
  }
  const_iterator end() const { return {}; }

  bool contains(absl::string_view id) const { return Find(id) != nullptr; }
  const_iterator find(absl::string_view id) const {
    const_iterator it = lower_bound(id);
    return it == end() || it->first != id ? end() : it;
  }
  // The first object whose id is not less than `id`; whose id is greater.
  const_iterator lower_bound(absl::string_view id) const {
    return FirstOf([id](absl::string_view other) { return other >= id; });
  }
  const_iterator upper_bound(absl::string_view id) const {
    return FirstOf([id](absl::string_view other) { return other > id; });
  }
  // There must be one.
  const T& at(absl::string_view id) const { return Find(id)->entry->second; }

  // The object to be changed, at once: once the map has been copied the copy has the object too. The second
  // is null if there is none, the first makes one.
  T& operator[](absl::string_view id) {
    const Node* node = Find(id);
    Entry entry = node == nullptr ? std::make_shared<value_type>(std::string(id), T())
                                  : std::make_shared<value_type>(*node->entry);
    T& object = entry->second;
    root_ = Put(root_, std::move(entry), RankOf(id));
    return object;
  }
  T* Mutable(absl::string_view id) { return contains(id) ? &(*this)[id] : nullptr; }
  T& at(absl::string_view id) { return *Mutable(id); }

  void insert_or_assign(absl::string_view id, T object) {
    root_ = Put(root_, std::make_shared<value_type>(std::string(id), std::move(object)), RankOf(id));
  }
  // False if there is one with that id, which stays.
  bool emplace(absl::string_view id, T object) {
    if (contains(id)) return false;
    insert_or_assign(id, std::move(object));
    return true;
  }
  // How many went: 0 or 1.
  size_t erase(absl::string_view id) {
    if (!contains(id)) return 0;
    root_ = Without(root_, id);
    return 1;
  }
  // Those from `first` to before `last`.
  void EraseRange(absl::string_view first, absl::string_view last) {
    Parts below = Split(root_, first);
    if (below.equal != nullptr) below.more = Put(below.more, below.equal, RankOf(first));
    Parts above = Split(below.more, last);
    if (above.equal != nullptr) above.more = Put(above.more, above.equal, RankOf(last));
    root_ = Join(below.less, above.more);
  }
  void clear() { root_.reset(); }

  // Calls `visit(id, before, after)` in the order of the ids for each object that is not the same in the two;
  // null where there is none.
  template <typename Visit>
  static void Compare(const SharedMap& before, const SharedMap& after, Visit visit) {
    CompareTrees(before.root_, after.root_, visit);
  }

  friend bool operator==(const SharedMap& a, const SharedMap& b) { return IsSame(a.root_, b.root_); }

 private:
  // Of a tree: what comes before an id, what comes after it, and what has it.
  struct Parts {
    Tree less;
    Tree more;
    Entry equal;
  };

  static const std::string& IdOf(const Tree& tree) { return tree->entry->first; }
  static size_t SizeOf(const Tree& tree) { return tree == nullptr ? 0 : tree->size; }
  static uint64_t RankOf(absl::string_view id) { return absl::Hash<absl::string_view>()(id); }
  static bool IsAbove(uint64_t rank, absl::string_view id, const Tree& tree) {
    return rank != tree->rank ? rank > tree->rank : id < IdOf(tree);
  }
  static Tree Make(Entry entry, uint64_t rank, Tree less, Tree more) {
    const size_t size = SizeOf(less) + 1 + SizeOf(more);
    return std::make_shared<const Node>(Node{std::move(entry), rank, size, std::move(less), std::move(more)});
  }
  static Tree Make(const Tree& like, Tree less, Tree more) {
    return Make(like->entry, like->rank, std::move(less), std::move(more));
  }

  const Node* Find(absl::string_view id) const {
    const Node* node = root_.get();
    while (node != nullptr) {
      const int order = id.compare(node->entry->first);
      if (order == 0) return node;
      node = order < 0 ? node->less.get() : node->more.get();
    }
    return nullptr;
  }
  // `is_in` holds for all ids from one on.
  template <typename IsIn>
  const_iterator FirstOf(IsIn is_in) const {
    const_iterator it;
    for (const Node* node = root_.get(); node != nullptr;) {
      if (is_in(node->entry->first)) {
        it.way_.push_back(node);
        node = node->less.get();
      } else {
        node = node->more.get();
      }
    }
    return it;
  }

  static Tree Put(const Tree& tree, Entry entry, uint64_t rank) {
    const std::string& id = entry->first;
    if (tree == nullptr || IsAbove(rank, id, tree)) {
      Parts parts = Split(tree, id);
      return Make(std::move(entry), rank, std::move(parts.less), std::move(parts.more));
    }
    const int order = id.compare(IdOf(tree));
    if (order == 0) return Make(std::move(entry), rank, tree->less, tree->more);
    if (order < 0) return Make(tree, Put(tree->less, std::move(entry), rank), tree->more);
    return Make(tree, tree->less, Put(tree->more, std::move(entry), rank));
  }
  static Parts Split(const Tree& tree, absl::string_view id) {
    if (tree == nullptr) return {};
    const int order = id.compare(IdOf(tree));
    if (order == 0) return {tree->less, tree->more, tree->entry};
    Parts parts = Split(order < 0 ? tree->less : tree->more, id);
    if (order < 0) {
      parts.more = Make(tree, std::move(parts.more), tree->more);
    } else {
      parts.less = Make(tree, tree->less, std::move(parts.less));
    }
    return parts;
  }
  // All ids of `less` come before all of `more`.
  static Tree Join(const Tree& less, const Tree& more) {
    if (less == nullptr) return more;
    if (more == nullptr) return less;
    if (IsAbove(less->rank, IdOf(less), more)) return Make(less, less->less, Join(less->more, more));
    return Make(more, Join(less, more->less), more->more);
  }
  // There is an object with that id.
  static Tree Without(const Tree& tree, absl::string_view id) {
    const int order = id.compare(IdOf(tree));
    if (order == 0) return Join(tree->less, tree->more);
    if (order < 0) return Make(tree, Without(tree->less, id), tree->more);
    return Make(tree, tree->less, Without(tree->more, id));
  }

  template <typename Visit>
  static void CompareTrees(const Tree& before, const Tree& after, Visit& visit) {
    if (before == after) return;
    const T* const none = nullptr;
    if (before == nullptr) {
      CompareTrees(before, after->less, visit);
      visit(IdOf(after), none, &after->entry->second);
      return CompareTrees(before, after->more, visit);
    }
    if (after == nullptr) {
      CompareTrees(before->less, after, visit);
      visit(IdOf(before), &before->entry->second, none);
      return CompareTrees(before->more, after, visit);
    }
    // Around the one that is nearer to the root, as the other side has nothing in its place.
    const bool around_after = !IsAbove(before->rank, IdOf(before), after);
    const Tree& root = around_after ? after : before;
    const Parts parts = Split(around_after ? before : after, IdOf(root));
    CompareTrees(around_after ? parts.less : root->less, around_after ? root->less : parts.less, visit);
    const Entry& was = around_after ? parts.equal : root->entry;
    const Entry& is = around_after ? root->entry : parts.equal;
    if (was != is && (was == nullptr || is == nullptr || !(was->second == is->second))) {
      visit(IdOf(root), was == nullptr ? none : &was->second, is == nullptr ? none : &is->second);
    }
    CompareTrees(around_after ? parts.more : root->more, around_after ? root->more : parts.more, visit);
  }
  static bool IsSame(const Tree& a, const Tree& b) {
    if (a == b) return true;
    if (a == nullptr || b == nullptr || a->size != b->size || *a->entry != *b->entry) return false;
    return IsSame(a->less, b->less) && IsSame(a->more, b->more);
  }

  Tree root_;
};

}  // namespace xpu
