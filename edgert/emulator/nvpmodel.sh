#!/bin/sh
# Emulated: answers what jetson-stats asks of NVIDIA's tool of this name, for the tree that this
# file lies in. Only the shell's own words are used, because it is started many times a second.
root=${0%/*}/../..
status=$root/var/lib/nvpmodel/status

now() { # number of the mode that is set, from "pmode:0001"
  read -r line < "$status"
  line=${line%% *}
  line=${line#pmode:}
  while [ "${line#0}" != "$line" ] && [ ${#line} -gt 1 ]; do line=${line#0}; done
  echo "$line"
}

modes() { # number, name and mask of each mode, one line each
  while read -r first second third fourth rest; do
    case "$first $second" in
      "< POWER_MODEL") number=${third#ID=} name=${fourth#NAME=} ;;
      "TPC_POWER_GATING TPC_PG_MASK") echo "$number $name $third" ;;
    esac
  done < "$root/etc/nvpmodel.conf"
}

find_mode() { # sets name and mask of a mode; fails where there is none
  found=$(modes | while read -r number name mask; do
    [ "$number" = "$1" ] && echo "$name $mask"
  done)
  name=${found% *} mask=${found#* }
  [ -n "$found" ]
}

case "$1" in
  -q)
    mode=$(now)
    find_mode "$mode"
    echo "NV Power Mode: $name"
    echo "$mode"
    ;;
  -m)
    find_mode "$(now)"
    before=$mask
    find_mode "$2" || { echo "NVPM ERROR: no power mode $2"; exit 1; }
    # Another part of the GPU switched off takes a restart of the board; asked from no terminal,
    # the tool then says nothing and changes nothing.
    [ "$mask" = "$before" ] || exit 0
    printf 'pmode:%04d\n' "$2" > "$status.$$" && mv "$status.$$" "$status"
    ;;
  -p)
    read -r config < "$root/etc/nvpmodel.conf"
    config=${config#*DEFAULT=}
    number=${config%% *}
    find_mode "$number"
    echo "NVPM VERB: PM_CONFIG: DEFAULT=$name($number)"
    modes | while read -r number name mask; do
      echo "NVPM VERB: POWER_MODEL: ID=$number NAME=$name"
      echo "NVPM VERB: TPC_POWER_GATING TPC_PG_MASK $mask"
    done
    ;;
esac
